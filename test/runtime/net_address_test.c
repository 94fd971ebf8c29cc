/* Addresses: read, written, told from names and stars. */
#include "net_fixture.h"

#include "runtime/address.h"

static const struct {
    const char *text, *words; /* words: NULL when it is good, and then the text comes back */
} addresses[] = {
    {"127.0.0.1:4000", NULL},
    {"0.0.0.0:0", NULL},
    {"255.255.255.255:65535", NULL},
    {"[::1]:80", NULL},
    {"[::]:0", NULL},
    {"[2001:db8::ff]:443", NULL},
    {"[fe80::1%7]:443", NULL},
    {"unix:/run/app.sock", NULL},
    {"unix:relative", NULL},
    {"unix:/a:b", NULL},
    {"unix:@name", NULL},
    {NULL, "no address is given"},
    {"", "the port is missing"},
    {"127.0.0.1", "the port is missing"},
    {"localhost", "the port is missing"},
    {":80", "the host has 0 bytes"},
    {"127.0.0.1:", "a number from 0 to 65535"},
    {"127.0.0.1:65536", "a number from 0 to 65535"},
    {"127.0.0.1:99999999999999999999", "a number from 0 to 65535"},
    {"127.0.0.1:-1", "a number from 0 to 65535"},
    {"127.0.0.1:+80", "a number from 0 to 65535"},
    {"127.0.0.1: 80", "a number from 0 to 65535"},
    {"127.0.0.1:80 ", "a number from 0 to 65535"},
    {"127.0.0.1:http", "a number from 0 to 65535"},
    {"256.0.0.1:80", "neither an IPv4 address nor a name"},
    {"127.1:80", "neither an IPv4 address nor a name"},
    {"1.2.3:80", "neither an IPv4 address nor a name"},
    {"host name:80", "neither an IPv4 address nor a name"},
    {"-host:80", "neither an IPv4 address nor a name"},
    {"http://host:80", "written in brackets"},
    {"::1:80", "written in brackets"},
    {"[::1:80", "a bracket is not closed"},
    {"[]:80", "the host has 0 bytes"},
    {"[127.0.0.1]:80", "is not an IPv6 address"},
    {"[::1%no-such-interface]:80", "no interface"},
    {"[::1%0]:80", "no interface"},
    {"unix:", "the name is missing"},
    {"unix:@", "the name is missing"},
    {"unix:"
     "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
     "4567890123456789",
        "has 109 bytes, there is room for 107"},
};

TEST(addresses_are_read_and_written)
{
    for (size_t i = 0; i < ANQA_COUNT(addresses); i++) {
        const char *text = addresses[i].text, *words = addresses[i].words;
        struct address_text parsed;
        char back[ANQA_ADDRESS_TEXT];
        anqa_error err = {0};
        anqa_status status = address_parse(text, &parsed, &err);
        CHECK_STATUS(status, words == NULL ? ANQA_OK : ANQA_E_INVALID, "%s: %s", text, err.text);
        if (words != NULL) {
            CHECK(strstr(err.text, words) != NULL, "%s: %s", text, err.text);
            continue;
        }
        CHECK_EQ(parsed.kind, ADDRESS_READY, "%s", text);
        address_format(&parsed.address, back);
        CHECK_STR(back, text);
    }
}

TEST(names_and_stars_are_told_from_addresses)
{
    struct address_text parsed;

    CHECK_STATUS(address_parse("a-1.b_2.example:65535", &parsed, NULL), ANQA_OK);
    CHECK_EQ(parsed.kind, ADDRESS_NAME);
    CHECK_STR(parsed.host, "a-1.b_2.example");
    CHECK_EQ(parsed.port, 65535);
    CHECK_STATUS(address_parse("*:80", &parsed, NULL), ANQA_OK);
    CHECK_EQ(parsed.kind, ADDRESS_ANY);
}

TEST(random_texts_are_refused_or_come_back)
{
    static const char alphabet[] = "0123456789abcf.:[]%@*unix/-";

    for (int i = 0; i < 100000; i++) {
        struct address_text parsed;
        char text[40], back[ANQA_ADDRESS_TEXT], again[ANQA_ADDRESS_TEXT];
        size_t len = harness_random() % (sizeof text - 6), head = harness_random() % 4 == 0 ? 5 : 0;
        memcpy(text, "unix:", head);
        for (size_t c = 0; c < len; c++)
            text[head + c] = alphabet[harness_random() % (sizeof alphabet - 1)];
        text[head + len] = '\0';
        if (address_parse(text, &parsed, NULL) != ANQA_OK || parsed.kind != ADDRESS_READY)
            continue;
        address_format(&parsed.address, back);
        CHECK_STATUS(address_parse(back, &parsed, NULL), ANQA_OK, "%s", back);
        address_format(&parsed.address, again);
        CHECK_STR(back, again);
    }
}
