#include "harness.h"

#include "base/base64.h"
#include "http/crypto.h"
#include "http/hchacha20.h"

#include <time.h>

#include <anqa/anqa.h>

static const char *const secret_text =
    "0123456789012345678901234567890123456789012345678901234567890123";
static const char *const salt = "user socket";

static anqa_rt *begin(void)
{
    anqa_error err;
    anqa_rt *rt;

    CHECK_STATUS(anqa_start(&(anqa_options){.schedulers = 1}, &rt, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK, "%s", err.text);
    return rt;
}

static void end(anqa_rt *rt)
{
    anqa_detach();
    anqa_stop(rt);
}

static anqa_str secret(void)
{
    return anqa_str_of(secret_text);
}

typedef anqa_str make_fn(anqa_str, const char *, anqa_str, const anqa_token_opts *);
typedef anqa_status read_fn(anqa_str, const char *, anqa_str, const anqa_token_opts *, anqa_str *);

static const struct {
    make_fn *make;
    read_fn *read;
} kinds[] = {{anqa_token_sign, anqa_token_verify}, {anqa_token_encrypt, anqa_token_decrypt}};

/* Made by Plug.Crypto 2.1, with the secret and the salt above, in 2023, not to expire unless it says so. */
static const struct {
    const char *token;
    read_fn *read;
    anqa_status status;
    const char *data;
} foreign[] = {
    {"SFMyNTY.g2gDbQAAAAI0Mm4GAABo5c-LAWQACGluZmluaXR5.N8lSleapFc9pRnfNoB8JnKkMZzkcpbSuX33ORzlvQWo",
        anqa_token_verify, ANQA_OK, "42"},
    {"SFMyNTY.g2gDYSpuBgAAaOXPiwFkAAhpbmZpbml0eQ.fhEyq1m0ddkvGus05WbR6N9X3aOtsUtzQuqkTDW5SvY",
        anqa_token_verify, ANQA_OK, "42"},
    {"SFMyNTY.g2gDYv____luBgAAaOXPiwFkAAhpbmZpbml0eQ.jkp0pd8YgY6_WonPBANsTCMrBe1QZYh8jw12iprMPpA",
        anqa_token_verify, ANQA_OK, "-7"},
    {"SFMyNTY.g2gDbgYAed8NhkhwbgYAAGjlz4sBZAAIaW5maW5pdHk.oORKbxkjuYGIExKnOcqfU9ia-"
     "mHSkFLgf-szYFmNu4g",
        anqa_token_verify, ANQA_OK, "123456789012345"},
    {"SFMyNTY.g2gDdAAAAAFkAAJpZGEBbgYAAGjlz4sBZAAIaW5maW5pdHk.O57Xm6Am_0Tpc-D5TNy0IaYFiE1T3adO"
     "wngvwNLSnh4",
        anqa_token_verify, ANQA_E_TYPE, NULL}, /* a map */
    {"SFMyNTY.g2gDbQAAAABuBgAAaOXPiwFkAAhpbmZpbml0eQ.-3mEDrm_qERoW2EA16tvXYFY9QhVU9Hg-U0tTAq59X0",
        anqa_token_verify, ANQA_OK, ""},
    {"SFMyNTY.g2gDbQAAAAI0Mm4GAABo5c-LAWIAAVGA.p9jgGQbe3XthsryZBzQhJf3Zlesg7kYJyamOSDy008c",
        anqa_token_verify, ANQA_E_EXPIRED, NULL}, /* a day */
    {"XCP.e-o2iIGZlgMWWnNemCGhzjNHLYAAnRDq54yELhdtmVPqi60lwOWLlQ8dhJhlCPXdvMIIpXU77cC5DJiY6zru-"
     "vOpfUJ5fw",
        anqa_token_decrypt, ANQA_OK, "42"},
    {"XCP.sry7LKzoemjSqaUycpIulNAnGpBzLHkdPnlCdWlLvPsmQZ4LcZclrhfB-TngmvxESChkDCqhVXDadK7ZsqanKIEe"
     "kCZJ-D1kdlmHy5dk-mxPhGQIJVzabShEaxmAIW5YZrgPRfeXHg5VAq75kGMMAHd2wrwRsIrOxSJPNUt_pSmb4OZ3cPsc"
     "0t9dtbyewg-6uLk",
        anqa_token_decrypt, ANQA_OK,
        "a secret that is longer than one block of sixty-four bytes, by some more bytes"},
};

TEST(tokens_that_phoenix_made_are_read)
{
    anqa_rt *rt = begin();

    for (size_t i = 0; i < ANQA_COUNT(foreign); i++) {
        anqa_str data;
        CHECK_STATUS(foreign[i].read(secret(), salt, anqa_str_of(foreign[i].token), NULL, &data),
            foreign[i].status, "token %zu", i);
        if (foreign[i].data != NULL)
            CHECK_STR(data, foreign[i].data);
    }
    end(rt);
}

/* As Plug.Crypto's, byte for byte, but for the atom, which newer releases write so. */
TEST(a_signed_token_has_the_form_of_phoenix)
{
    anqa_token_opts opts = {.signed_at_s = 1700000000};
    anqa_rt *rt = begin();

    CHECK_STR(anqa_token_sign(secret(), salt, anqa_str_of("42"), &opts),
        "SFMyNTY.g2gDbQAAAAI0Mm4GAABo5c-LAWIAAVGA.p9jgGQbe3XthsryZBzQhJf3Zlesg7kYJyamOSDy008c");
    end(rt);
}

TEST(what_is_made_is_read_again)
{
    static const char *const texts[] = {"", "42", "J\xc3\xb6rg", "with a\ttab. and dots..."};
    anqa_rt *rt = begin();

    for (size_t k = 0; k < ANQA_COUNT(kinds); k++) {
        for (size_t i = 0; i < ANQA_COUNT(texts); i++) {
            anqa_str token = kinds[k].make(secret(), salt, anqa_str_of(texts[i]), NULL), data;
            CHECK_STATUS(kinds[k].read(secret(), salt, token, NULL, &data), ANQA_OK);
            CHECK_STR(data, texts[i]);
        }
    }
    end(rt);
}

TEST(a_token_is_worth_nothing_with_another_secret_salt_or_way_of_deriving)
{
    anqa_str other = anqa_str_of("another secret of more than 20 bytes"), data;
    anqa_token_opts costly = {.key_iterations = 2000};
    anqa_rt *rt = begin();

    for (size_t k = 0; k < ANQA_COUNT(kinds); k++) {
        anqa_str token = kinds[k].make(secret(), salt, anqa_str_of("42"), NULL);
        CHECK_STATUS(kinds[k].read(other, salt, token, NULL, &data), ANQA_E_INVALID);
        CHECK_STATUS(kinds[k].read(secret(), "other", token, NULL, &data), ANQA_E_INVALID);
        CHECK_STATUS(kinds[k].read(secret(), salt, token, &costly, &data), ANQA_E_INVALID);
        CHECK_STATUS(kinds[1 - k].read(secret(), salt, token, NULL, &data), ANQA_E_INVALID);
        token = kinds[k].make(secret(), salt, anqa_str_of("42"), &costly);
        CHECK_STATUS(kinds[k].read(secret(), salt, token, &costly, &data), ANQA_OK);
    }
    end(rt);
}

TEST(a_token_of_which_any_character_is_changed_cut_or_added_is_refused)
{
    anqa_rt *rt = begin();

    for (size_t k = 0; k < ANQA_COUNT(kinds); k++) {
        anqa_str token = kinds[k].make(secret(), salt, anqa_str_of("42"), NULL), data;
        char copy[300];

        CHECK(token.len < sizeof copy - 1);
        for (size_t i = 0; i < token.len; i++) {
            memcpy(copy, token.ptr, token.len);
            copy[i] = (char)(copy[i] == 'A' ? 'B' : 'A');
            CHECK_STATUS(kinds[k].read(secret(), salt, anqa_str_make(copy, token.len), NULL, &data),
                ANQA_E_INVALID, "at %zu", i);
            if (i > 0)
                CHECK_STATUS(
                    kinds[k].read(secret(), salt, anqa_str_make(token.ptr, i), NULL, &data),
                    ANQA_E_INVALID, "cut at %zu", i);
        }
        memcpy(copy, token.ptr, token.len);
        for (const char *more = "A.= "; *more != '\0'; more++) {
            copy[token.len] = *more;
            CHECK_STATUS(
                kinds[k].read(secret(), salt, anqa_str_make(copy, token.len + 1), NULL, &data),
                ANQA_E_INVALID);
        }
    }
    end(rt);
}

TEST(a_token_expires_as_it_was_made_or_as_its_reader_wants)
{
    uint64_t now = (uint64_t)time(NULL);
    static const struct {
        uint32_t made_for, read_for;
        int64_t age;
        anqa_status status;
    } cases[] = {
        {0, 0, 86000, ANQA_OK}, {0, 0, 86500, ANQA_E_EXPIRED}, {100, 0, 50, ANQA_OK},
        {100, 0, 150, ANQA_E_EXPIRED}, {100, 300, 150, ANQA_OK}, {300, 100, 150, ANQA_E_EXPIRED},
        {ANQA_INFINITY, 0, 1000000000, ANQA_OK}, {100, ANQA_INFINITY, 1000000000, ANQA_OK},
        {ANQA_INFINITY, 100, 150, ANQA_E_EXPIRED},
        {ANQA_INFINITY, 0, -100, ANQA_E_INVALID}, /* in the future */
    };
    anqa_rt *rt = begin();

    for (size_t i = 0; i < 2 * ANQA_COUNT(cases); i++) {
        size_t k = i % 2, c = i / 2;
        anqa_token_opts made = {
            .max_age_s = cases[c].made_for, .signed_at_s = (uint64_t)((int64_t)now - cases[c].age)};
        anqa_token_opts read = {.max_age_s = cases[c].read_for};
        anqa_str token = kinds[k].make(secret(), salt, anqa_str_of("42"), &made), data;
        CHECK_STATUS(
            kinds[k].read(secret(), salt, token, &read, &data), cases[c].status, "case %zu", c);
    }
    end(rt);
}

TEST(no_token_is_told_apart_from_a_bad_one_and_a_long_one_is_refused)
{
    static char vast[ANQA_TOKEN_MAX + 1];
    anqa_rt *rt = begin();
    anqa_str data;

    memset(vast, 'A', sizeof vast);
    for (size_t k = 0; k < ANQA_COUNT(kinds); k++) {
        CHECK_STATUS(
            kinds[k].read(secret(), salt, anqa_str_make(NULL, 0), NULL, &data), ANQA_E_NOT_FOUND);
        CHECK_STATUS(kinds[k].read(secret(), salt, anqa_str_make(vast, sizeof vast), NULL, &data),
            ANQA_E_INVALID);
        CHECK_STATUS(
            kinds[k].read(secret(), salt,
                kinds[k].make(secret(), salt, anqa_str_make(vast, 48000), NULL), NULL, &data),
            ANQA_OK);
        CHECK_EQ(data.len, 48000);
    }
    end(rt);
}

/* What is signed, but is no token: the key was used for something else. */
TEST(a_signed_text_that_holds_no_token_is_refused)
{
    static const struct {
        const char *bytes;
        size_t len;
    } terms[] = {
        {"", 0},
        {"\x83", 1},
        {"\x83h\x03", 3},
        {"\x83h\x02m\0\0\0\x01x", 9},
        {"\x83h\x03m\0\0\0\x09x", 9},
        {"\x83h\x03m\xff\xff\xff\xffx", 9},
        {"\x83h\x03m\0\0\0\x01xa\x01", 11},
        {"\x83h\x03m\0\0\0\x01xa\x01w\xffinfinity", 21},
        {"\x83h\x03m\0\0\0\x01xa\x01w\x08infinitx", 21},
        {"\x83h\x03m\0\0\0\x01xn\xff\0aaa\x01", 17},
        {"\x83h\x03m\0\0\0\x01xn\x08\0\xff\xff\xff\xff\xff\xff\xff\xff"
         "a\x01",
            22},
        {"\x83h\x03m\0\0\0\x01xa\x01"
         "a\x01!",
            14},
    };
    unsigned char key[CRYPTO_KEY_LEN], mac[CRYPTO_HMAC_LEN];
    anqa_rt *rt = begin();
    anqa_str data;

    CHECK(crypto_derive(secret(), anqa_str_of(salt), 1000, key));
    for (size_t i = 0; i < ANQA_COUNT(terms); i++) {
        char text[300] = "SFMyNTY.";
        size_t len = strlen(text);

        len += base64_encode(terms[i].bytes, terms[i].len, BASE64_URL | BASE64_NO_PAD, text + len);
        CHECK(crypto_hmac(anqa_str_make((char *)key, sizeof key), anqa_str_make(text, len), mac));
        text[len++] = '.';
        len += base64_encode(mac, sizeof mac, BASE64_URL | BASE64_NO_PAD, text + len);
        CHECK_STATUS(anqa_token_verify(secret(), salt, anqa_str_make(text, len), NULL, &data),
            ANQA_E_TYPE, "term %zu", i);
    }
    end(rt);
}

TEST(tokens_of_more_salts_than_keys_are_kept_for_are_read)
{
    anqa_rt *rt = begin();
    anqa_str data;

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 70; i++) {
            const char *own = anqa_tmp_printf("salt %u", i);
            anqa_str token = anqa_token_sign(secret(), own, anqa_str_of(own), NULL);
            CHECK_STATUS(anqa_token_verify(secret(), own, token, NULL, &data), ANQA_OK);
            CHECK_STR(data, own);
        }
    }
    end(rt);
}

static void sign_with(void *arg)
{
    (void)anqa_token_sign(anqa_str_of(arg), salt, anqa_str_of("42"), NULL);
}

TEST(a_secret_that_can_be_guessed_ends_the_process)
{
    anqa_rt *rt = begin();
    const anqa_msg *down;
    anqa_ref ref;
    anqa_pid pid;

    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = sign_with, .arg = (void *)"short", .monitor = true},
            &pid, &ref),
        ANQA_OK);
    down = anqa_receive(HARNESS_LONG_MS);
    CHECK(down != NULL && down->kind == ANQA_MSG_DOWN);
    CHECK_EQ(anqa_reason_get_kind(down->u.reason), ANQA_REASON_CONTRACT);
    end(rt);
}

TEST(no_two_encrypted_tokens_and_no_two_random_texts_are_alike)
{
    anqa_rt *rt = begin();

    CHECK(!anqa_str_eq(anqa_token_encrypt(secret(), salt, anqa_str_of("42"), NULL),
        anqa_token_encrypt(secret(), salt, anqa_str_of("42"), NULL)));
    CHECK_EQ(anqa_random_text(18).len, 24);
    CHECK(!anqa_str_eq(anqa_random_text(18), anqa_random_text(18)));
    end(rt);
}

TEST(comparing_in_constant_time_says_what_comparing_says)
{
    CHECK(anqa_secure_compare(anqa_str_of("same"), anqa_str_of("same")));
    CHECK(anqa_secure_compare(anqa_str_of(""), anqa_str_make(NULL, 0)));
    CHECK(!anqa_secure_compare(anqa_str_of("same"), anqa_str_of("sane")));
    CHECK(!anqa_secure_compare(anqa_str_of("same"), anqa_str_of("same ")));
}

/* draft-irtf-cfrg-xchacha-03, 2.2.1. */
TEST(hchacha20_makes_the_key_of_its_test_vector)
{
    static const unsigned char expected[32] = {0x82, 0x41, 0x3b, 0x42, 0x27, 0xb2, 0x7b, 0xfe, 0xd3,
        0x0e, 0x42, 0x50, 0x8a, 0x87, 0x7d, 0x73, 0xa0, 0xf9, 0xe4, 0xd5, 0x8a, 0x74, 0xa8, 0x53,
        0xc1, 0x2e, 0xc4, 0x13, 0x26, 0xd3, 0xec, 0xdc};
    static const unsigned char nonce[16] = {
        0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0, 0x31, 0x41, 0x59, 0x27};
    unsigned char key[32], got[32];

    for (unsigned i = 0; i < sizeof key; i++)
        key[i] = (unsigned char)i;
    hchacha20(key, nonce, got);
    CHECK(memcmp(got, expected, sizeof expected) == 0);
}
