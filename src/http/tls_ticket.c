/* Session tickets: keys that are made at random, replaced while they are used, and forgotten. See tls.h. */
#include "http/tls_int.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/random.h"

/* ---------------------------------------------------------------- keys */

static bool is_alive(const struct tls_ticket_key *key, uint64_t now_s, uint64_t seconds)
{
    return key->made_s != 0 && now_s - key->made_s < seconds;
}

static void key_make(struct tls_ticket_key *key, uint64_t now_s)
{
    random_bytes(key, sizeof *key);
    key->made_s = now_s == 0 ? 1 : now_s;
}

void tls_tickets_turn(struct tls_tickets *tickets, uint64_t now_s)
{
    if (is_alive(&tickets->now, now_s, TLS_TICKET_S))
        return;
    tickets->before = tickets->now;
    key_make(&tickets->now, now_s);
}

const struct tls_ticket_key *tls_tickets_find(const struct tls_tickets *tickets,
    const unsigned char name[static TLS_TICKET_NAME], uint64_t now_s)
{
    const struct tls_ticket_key *keys[] = {&tickets->now, &tickets->before};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (is_alive(keys[i], now_s, 2 * (uint64_t)TLS_TICKET_S) &&
            memcmp(keys[i]->name, name, TLS_TICKET_NAME) == 0)
            return keys[i];
    return NULL;
}

/* ---------------------------------------------------------------- what OpenSSL asks for */

static bool mac_begin(EVP_MAC_CTX *mac, struct tls_ticket_key *key)
{
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* 0: there is no such key, a full handshake follows. 1: done. 2: done, and the client gets a new ticket. -1: it has failed. */
static int ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int seals)
{
    struct tls_server *server = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct tls_ticket_key key;
    bool old = false, done;

    if (!tls_server_ticket_key(server, seals ? NULL : name, &key, &old))
        return 0;
    if (seals) {
        memcpy(name, key.name, sizeof key.name);
        random_bytes(iv, (size_t)EVP_CIPHER_get_iv_length(EVP_aes_256_cbc()));
    }
    done = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv, seals) == 1 &&
           mac_begin(mac, &key);
    OPENSSL_cleanse(&key, sizeof key);
    if (!done)
        return -1;
    return old ? 2 : 1;
}

bool tls_ticket_enable(SSL_CTX *context)
{
    SSL_CTX_set_timeout(context, TLS_TICKET_S);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* they hold all */
    return SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key) == 1;
}
