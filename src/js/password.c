#include "js/password.h"

#include <stdio.h>
#include <string.h>

#include <anqa/memory.h>

#include "base/base64.h"
#include "http/crypto.h"
#include "js/beam.h"
#include "js/convert.h"
#include "js/spawn.h"
#include "js/turn.h"
#include "js/web/subtle.h"
#include "js/work.h"

static const char begin[] = "$pbkdf2-sha256$i=";

enum { SALT_MADE = 16, SALT_LEAST = 8 };

/* ---------------------------------------------------------------- text */

/* Cuts what stands before the next "$" off. False: there is none. */
static bool cut(anqa_str *rest, anqa_str *ret_piece)
{
    const char *end = rest->len == 0 ? NULL : memchr(rest->ptr, '$', rest->len);
    size_t len = end == NULL ? 0 : (size_t)(end - rest->ptr);

    if (end == NULL)
        return false;
    *ret_piece = anqa_str_make(rest->ptr, len);
    *rest = anqa_str_make(end + 1, rest->len - len - 1);
    return true;
}

static bool read_rounds(anqa_str text, uint32_t *ret_rounds)
{
    uint32_t rounds = 0;

    if (text.len == 0 || text.len > 8 || text.ptr[0] == '0')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        rounds = rounds * 10 + (uint32_t)(text.ptr[i] - '0');
    }
    *ret_rounds = rounds;
    return rounds <= PASSWORD_ROUNDS_MOST;
}

/* At most `most` bytes. */
static bool read_bytes(anqa_str text, unsigned char *out, size_t most, size_t *ret_len)
{
    unsigned char bytes[PASSWORD_HASH_MAX];

    if (base64_decoded_len(text.len) > sizeof bytes ||
        base64_decode(text, BASE64_NO_PAD, bytes, ret_len) != ANQA_OK || *ret_len > most)
        return false;
    memcpy(out, bytes, *ret_len);
    return true;
}

bool password_read(anqa_str text, struct password *ret_password)
{
    struct password p = {0};
    size_t begin_len = sizeof begin - 1, salt_len, key_len;
    anqa_str rounds, salt;

    if (text.len > PASSWORD_HASH_MAX || text.len < begin_len ||
        memcmp(text.ptr, begin, begin_len) != 0)
        return false;
    text = anqa_str_make(text.ptr + begin_len, text.len - begin_len);
    if (!cut(&text, &rounds) || !read_rounds(rounds, &p.rounds) || !cut(&text, &salt) ||
        !read_bytes(salt, p.salt, sizeof p.salt, &salt_len) || salt_len < SALT_LEAST ||
        !read_bytes(text, p.key, sizeof p.key, &key_len) || key_len != sizeof p.key)
        return false;
    p.salt_len = (uint32_t)salt_len;
    *ret_password = p;
    return true;
}

size_t password_write(const struct password *password, char *out)
{
    size_t len = (size_t)snprintf(out, PASSWORD_HASH_MAX, "%s%u$", begin, password->rounds);

    len += base64_encode(password->salt, password->salt_len, BASE64_NO_PAD, out + len);
    out[len++] = '$';
    return len + base64_encode(password->key, sizeof password->key, BASE64_NO_PAD, out + len);
}

/* ---------------------------------------------------------------- work */

/* What a process is given. */
struct work {
    anqa_pid asker, family;
    struct password password;
    bool verifies, done;
    unsigned char key[PASSWORD_KEY]; /* what comes of it */
    uint32_t len;
    char text[PASSWORD_BYTES_MAX];
};

static void derive(void *job)
{
    struct work *work = job;

    work->done = crypto_derive(anqa_str_make(work->text, work->len),
        anqa_str_make((const char *)work->password.salt, work->password.salt_len),
        work->password.rounds, work->key);
}

static anqa_payload answer(struct work *work)
{
    anqa_value_writer writer;
    anqa_value value = {NULL, 0};
    char text[PASSWORD_HASH_MAX];

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    if (work->verifies) {
        anqa_value_put_bool(&writer, crypto_equal(work->key, work->password.key, sizeof work->key));
    } else {
        memcpy(work->password.key, work->key, sizeof work->key);
        anqa_value_put_str(&writer, anqa_str_make(text, password_write(&work->password, text)));
    }
    if (anqa_value_done(&writer, &value) != ANQA_OK)
        return beam_answer(false, "no memory", 9);
    return beam_answer(true, value.ptr, value.len);
}

static void forget(void *arg)
{
    subtle_cleanse(arg, sizeof(struct work));
}

static anqa_payload run(void *arg)
{
    static const char why[] = "passwords need OpenSSL, without which this library was built";
    struct work *work = arg;
    anqa_deferred mark = anqa_defer_mark();
    anqa_payload payload;
    anqa_status status;

    anqa_defer(forget, work);
    /* lent: should this process be killed, its memory stays until the worker is done */
    status = work_blocking(&js_rt_get()->gates.work, work->asker, work->family, derive, work);
    if (status != ANQA_OK)
        payload = beam_answer(false, anqa_status_text(status), strlen(anqa_status_text(status)));
    else if (!work->done)
        payload = beam_answer(false, why, sizeof why - 1);
    else
        payload = answer(work);
    anqa_defer_run_to(mark);
    return payload;
}

/* ---------------------------------------------------------------- the operation */

static bool is_text(uint64_t value)
{
    return JS_TAG(value) == JS_TAG_STRING || JS_TAG(value) == JS_TAG_STRING_ROPE;
}

/* A string of at most `most` bytes. False: it is none, or longer. */
static bool copy_text(struct js *js, uint64_t value, char *out, size_t most, size_t *ret_len)
{
    anqa_str text = {NULL, 0};
    uint32_t borrowed = is_text(value) ? turn_text_begin(js, value, &text) : 0;

    if (borrowed == 0)
        return false;
    if (text.len > 0 && text.len <= most)
        memcpy(out, text.ptr, text.len);
    *ret_len = text.len;
    turn_text_done(js, borrowed);
    return text.len <= most;
}

static bool password_arg(struct js *js, uint64_t value, struct work *work)
{
    size_t len;

    if (!is_text(value))
        return turn_throw(js, "TypeError", "a password is a string"), false;
    if (!copy_text(js, value, work->text, sizeof work->text, &len))
        return turn_throw(js, "RangeError", "a password has at most %u bytes", PASSWORD_BYTES_MAX),
               false;
    work->len = (uint32_t)len;
    return true;
}

static bool rounds_arg(struct js *js, uint64_t value, uint32_t *ret_rounds)
{
    double rounds = PASSWORD_ROUNDS;

    if (JS_TAG(value) != JS_TAG_UNDEFINED &&
        (!convert_number(value, &rounds) ||
            !(rounds >= PASSWORD_ROUNDS_LEAST && rounds <= PASSWORD_ROUNDS_MOST)))
        return turn_throw(js, "RangeError", "a password is hashed in %u to %u rounds",
                   PASSWORD_ROUNDS_LEAST, PASSWORD_ROUNDS_MOST),
               false;
    *ret_rounds = (uint32_t)rounds;
    return true;
}

static bool hash_arg(struct js *js, uint64_t value, struct password *ret_password)
{
    char text[PASSWORD_HASH_MAX];
    size_t len;

    if (copy_text(js, value, text, sizeof text, &len) &&
        password_read(anqa_str_make(text, len), ret_password))
        return true;
    return turn_throw(js, "TypeError", "that is no hash of a password"), false;
}

static bool work_arg(struct js *js, const uint64_t *args, struct work *work)
{
    work->verifies = JS_TAG(args[1]) != JS_TAG_UNDEFINED;
    if (!password_arg(js, args[2], work))
        return false;
    if (work->verifies)
        return hash_arg(js, args[1], &work->password);
    work->password.salt_len = SALT_MADE;
    image_random(js, work->password.salt, SALT_MADE);
    return rounds_arg(js, args[3], &work->password.rounds);
}

uint64_t password_op(struct js *js, const uint64_t *args)
{
    struct work work = {.asker = anqa_self(), .family = spawn_root(js)};
    uint64_t result = JS_EXCEPTION;
    double id = 0;

    (void)convert_number(args[0], &id);
    if (work_arg(js, args, &work))
        result = beam_start(js, "password", run, &work, sizeof work, (uint32_t)id);
    subtle_cleanse(&work, sizeof work);
    return result;
}
