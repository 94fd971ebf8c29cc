#include "base/base64.h"

#include "harness.h"

/* RFC 4648, section 10, and what the alphabets differ in. */
static const struct {
    const char *bytes, *padded, *bare;
    unsigned flags;
} pairs[] = {
    {"", "", "", 0},
    {"f", "Zg==", "Zg", 0},
    {"fo", "Zm8=", "Zm8", 0},
    {"foo", "Zm9v", "Zm9v", 0},
    {"foob", "Zm9vYg==", "Zm9vYg", 0},
    {"fooba", "Zm9vYmE=", "Zm9vYmE", 0},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy", 0},
    {"\xfb\xff\xbf", "+/+/", "+/+/", 0},
    {"\xfb\xff\xbf", "-_-_", "-_-_", BASE64_URL},
};

static void check_pair(const char *bytes, const char *text, unsigned flags)
{
    char out[64];
    size_t len;

    len = base64_encode(bytes, strlen(bytes), flags, out);
    CHECK_STR(anqa_str_make(out, len), text);
    CHECK_STATUS(base64_decode(anqa_str_of(text), flags, out, &len), ANQA_OK, "%s", text);
    CHECK_STR(anqa_str_make(out, len), bytes);
}

TEST(bytes_become_the_text_of_the_standard_and_come_back)
{
    for (size_t i = 0; i < ANQA_COUNT(pairs); i++) {
        check_pair(pairs[i].bytes, pairs[i].padded, pairs[i].flags);
        check_pair(pairs[i].bytes, pairs[i].bare, pairs[i].flags | BASE64_NO_PAD);
    }
}

TEST(any_bytes_come_back_and_may_be_read_in_place)
{
    for (size_t size = 0; size < 200; size++) {
        unsigned char bytes[200];
        char text[300];
        size_t len;

        for (size_t i = 0; i < size; i++)
            bytes[i] = (unsigned char)harness_random();
        len = base64_encode(bytes, size, BASE64_URL | BASE64_NO_PAD, text);
        CHECK(len <= base64_encoded_len(size));
        CHECK_STATUS(
            base64_decode(anqa_str_make(text, len), BASE64_URL | BASE64_NO_PAD, text, &len),
            ANQA_OK);
        CHECK_EQ(len, size);
        CHECK(memcmp(text, bytes, size) == 0);
    }
}

TEST(a_text_that_bytes_would_not_become_is_refused)
{
    static const struct {
        const char *text;
        unsigned flags;
    } bad[] = {
        {"Z", 0},
        {"Z", BASE64_NO_PAD},
        {"Zg", 0},
        {"Zg=", 0},
        {"Zg==", BASE64_NO_PAD},
        {"Zg===", 0},
        {"Z===", 0},
        {"====", 0},
        {"Zh==", 0}, /* bits left over */
        {"Zm9=", 0},
        {"Zm9", BASE64_NO_PAD},
        {"Zm 9", 0},
        {"Zm\n9", 0},
        {"+/+/", BASE64_URL},
        {"-_-_", 0},
        {"Zg==Zg==", 0},
        {"Z\xc3\xbc=", 0},
    };
    unsigned char out[16];
    size_t len;

    for (size_t i = 0; i < ANQA_COUNT(bad); i++)
        CHECK_STATUS(base64_decode(anqa_str_of(bad[i].text), bad[i].flags, out, &len), ANQA_E_PARSE,
            "%s", bad[i].text);
}
