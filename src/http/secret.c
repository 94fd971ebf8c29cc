#include "http/secret.h"

#include <pthread.h>
#include <stdlib.h>

#include <anqa/log.h>
#include <anqa/process.h>

#include "base/base64.h"
#include "base/random.h"
#include "http/exchange.h"

static char made[(SECRET_MIN_BYTES + 2) / 3 * 4]; /* written once, before anybody reads */

static void make(void)
{
    unsigned char bytes[SECRET_MIN_BYTES];

    random_bytes(bytes, sizeof bytes);
    (void)base64_encode(bytes, sizeof bytes, 0, made);
    explicit_bzero(bytes, sizeof bytes);
}

static const char *environment(const char *name)
{
    const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe): nobody sets it */

    return text == NULL || *text == '\0' ? NULL : text;
}

static anqa_status make_one(bool needed, anqa_str *ret_secret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, make);
    anqa_log(needed ? ANQA_NOTICE : ANQA_DEBUG, "endpoint.secret.made",
        "lives=\"until the program ends\" instead=\"SECRET_KEY_BASE in the environment\"");
    *ret_secret = anqa_str_make(made, sizeof made);
    return ANQA_OK;
}

anqa_status secret_find(const char *given, bool needed, anqa_str *ret_secret, anqa_error *err)
{
    const char *env = environment("ANQA_ENV");
    anqa_str secret = anqa_str_of(given != NULL ? given : environment("SECRET_KEY_BASE"));

    if (secret.len == 0 && (env == NULL || strcmp(env, "prod") != 0))
        return make_one(needed, ret_secret);
    if (secret.len == 0 && needed)
        return anqa_fail(err, ANQA_E_INVALID,
            "SECRET_KEY_BASE is not in the environment; sessions and long-poll need it where ANQA_ENV is prod");
    if (secret.len != 0 && secret.len < SECRET_MIN_BYTES)
        return anqa_fail(err, ANQA_E_INVALID,
            "the secret key base has %zu bytes; it must have %d, at random", secret.len,
            SECRET_MIN_BYTES);
    *ret_secret = secret;
    return ANQA_OK;
}

anqa_str anqa_conn_secret(const anqa_conn *conn)
{
    anqa_str secret = exchange_of(conn)->secret;

    if (secret.len == 0)
        anqa_exit(anqa_error_reason("there is no secret: set SECRET_KEY_BASE in the environment"));
    return secret;
}
