/* Any bytes as the hash of a password. What must hold: what is read is within its bounds, and is written as it was read. */
#include "js/password.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct password password;
    char text[PASSWORD_HASH_MAX];
    size_t len;

    if (!password_read(anqa_str_make((const char *)data, size), &password))
        return 0;
    require(password.rounds >= 1 && password.rounds <= PASSWORD_ROUNDS_MOST);
    require(password.salt_len >= 8 && password.salt_len <= sizeof password.salt);
    len = password_write(&password, text);
    require(len == size && memcmp(text, data, size) == 0);
    return 0;
}
