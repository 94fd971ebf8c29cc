#include "http/secret.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <anqa/log.h>
#include <anqa/process.h>

#include "base/base64.h"
#include "base/random.h"
#include "http/exchange.h"
#include "http/secret_file.h"

#define SECRET_MIN_DISTINCT 10 /* characters */

static const char *environment(const char *name)
{
    const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe): nobody sets it */

    return text == NULL || *text == '\0' ? NULL : text;
}

static bool env_is(const char *name)
{
    const char *env = environment("ANQA_ENV");

    return env != NULL && strcmp(env, name) == 0;
}

/* ---------------------------------------------------------------- one that is made */

static char made[SECRET_FILE_TEXT]; /* written once, before anybody reads */

static void make(void)
{
    unsigned char bytes[SECRET_FILE_BYTES];

    random_bytes(bytes, sizeof bytes);
    (void)base64_encode(bytes, sizeof bytes, 0, made);
    explicit_bzero(bytes, sizeof bytes);
}

/* For who develops one that stays, if that can be had. */
static void find(void)
{
    anqa_error err;

    if (env_is("dev")) {
        if (secret_file_read(".", made, &err) == ANQA_OK)
            return;
        anqa_log(
            ANQA_WARN, "endpoint.secret.unusable", "error=%s next=\"one for this run\"", err.text);
    }
    make();
}

static anqa_status find_one(bool needed, anqa_str *ret_secret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, find);
    anqa_log(needed && !env_is("dev") ? ANQA_NOTICE : ANQA_DEBUG, "endpoint.secret.made",
        "lives=\"until the program ends, or in .anqa where ANQA_ENV is dev\" "
        "instead=\"SECRET_KEY_BASE in the environment\"");
    *ret_secret = anqa_str_make(made, sizeof made);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- what is none */

static bool has_period(anqa_str text, size_t period)
{
    return memcmp(text.ptr, text.ptr + period, text.len - period) == 0;
}

/* One character, one word or one line of the keyboard again and again. Of random bytes, also in hexadecimal, that never happens. */
static bool is_weak(anqa_str secret)
{
    bool seen[256] = {0};
    unsigned distinct = 0;

    for (size_t i = 0; i < secret.len; i++) {
        distinct += !seen[(unsigned char)secret.ptr[i]];
        seen[(unsigned char)secret.ptr[i]] = true;
    }
    for (size_t period = 1; period <= secret.len / 2; period++)
        if (has_period(secret, period))
            return true;
    return distinct < SECRET_MIN_DISTINCT;
}

anqa_status secret_find(const char *given, bool needed, anqa_str *ret_secret, anqa_error *err)
{
    bool prod = env_is("prod");
    anqa_str secret = anqa_str_of(given != NULL ? given : environment("SECRET_KEY_BASE"));

    if (secret.len == 0 && !prod)
        return find_one(needed, ret_secret);
    if (secret.len == 0 && needed)
        return anqa_fail(err, ANQA_E_INVALID,
            "SECRET_KEY_BASE is not in the environment; sessions and long-poll need it where "
            "ANQA_ENV is prod");
    if (secret.len != 0 && secret.len < SECRET_MIN_BYTES)
        return anqa_fail(err, ANQA_E_INVALID,
            "the secret key base has %zu bytes; it must have %d, at random", secret.len,
            SECRET_MIN_BYTES);
    if (secret.len != 0 && prod && is_weak(secret))
        return anqa_fail(err, ANQA_E_INVALID,
            "the secret key base repeats itself; it must be random (openssl rand -base64 64 | tr "
            "-d '\\n')");
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
