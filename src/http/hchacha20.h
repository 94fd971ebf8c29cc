/* HChaCha20 (draft-irtf-cfrg-xchacha-03, 2.2): a key for one nonce, which OpenSSL does not have. */
#ifndef HTTP_HCHACHA20_H
#define HTTP_HCHACHA20_H

void hchacha20(const unsigned char key[static 32], const unsigned char nonce[static 16],
    unsigned char ret_key[static 32]);

#endif
