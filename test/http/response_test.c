#include "http/response.h"

#include "harness.h"

#include <stdlib.h>

TEST(dates_are_written_and_read_as_http_wants_them)
{
    static const struct {
        int64_t unix_s;
        const char *text;
    } dates[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {1735689599, "Tue, 31 Dec 2024 23:59:59 GMT"},
        {4102444800, "Fri, 01 Jan 2100 00:00:00 GMT"},
    };

    for (size_t i = 0; i < ANQA_COUNT(dates); i++) {
        char date[RESPONSE_DATE_LEN];
        int64_t again = -1;
        response_write_date(dates[i].unix_s, date);
        CHECK_STR(anqa_str_make(date, sizeof date), dates[i].text);
        CHECK(response_read_date(anqa_str_of(dates[i].text), &again));
        CHECK_EQ(again, dates[i].unix_s);
    }
}

TEST(what_is_no_date_is_not_read)
{
    static const char *const texts[] = {
        "",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nox 1994 08:49:37 GMT",
        "Sun, 36 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08-49-37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994     ",
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
        "\xff\xff"
        "\xff\xff\xff\xff\xff",
        "Wed, 31 Dec 1969 23:59:59 GMT",
    };

    for (size_t i = 0; i < ANQA_COUNT(texts); i++) {
        int64_t unix_s;
        CHECK(!response_read_date(anqa_str_of(texts[i]), &unix_s), "%s", texts[i]);
    }
}

/* The head with its date, which changes, taken out. */
static const char *without_date(anqa_str head)
{
    static char text[512];
    const char *date = memmem(head.ptr, head.len, "date: ", 6);
    size_t before = date == NULL ? head.len : (size_t)(date - head.ptr);

    CHECK(head.len < sizeof text);
    memcpy(text, head.ptr, before);
    text[before] = '\0';
    if (date != NULL) {
        size_t gone = 6 + RESPONSE_DATE_LEN + 2;
        CHECK_STR(anqa_str_make(date + gone - 6, 6), " GMT\r\n");
        memcpy(text + before, date + gone, head.len - before - gone);
        text[head.len - gone] = '\0';
    }
    return text;
}

TEST(a_head_is_written_line_by_line)
{
    struct response response;
    char buffer[256];
    anqa_str head;

    response_start(&response, buffer, sizeof buffer, 200);
    response_header(&response, "x-empty", (anqa_str){0});
    response_header(&response, "Content-Type", anqa_str_of("text/plain; charset=utf-8"));
    response_header_uint(&response, "content-length", 0);
    response_header_uint(&response, "x-max", UINT64_MAX);
    CHECK_STATUS(response_finish(&response, &head), ANQA_OK);
    CHECK(memmem(head.ptr, head.len, "\r\ndate: ", 8) != NULL);
    CHECK_STR(without_date(head),
        "HTTP/1.1 200 OK\r\nx-empty: \r\nContent-Type: text/plain; charset=utf-8\r\n"
        "content-length: 0\r\nx-max: 18446744073709551615\r\n\r\n");
}

TEST(an_interim_answer_has_no_date)
{
    struct response response;
    char buffer[64];
    anqa_str head;

    response_start(&response, buffer, sizeof buffer, 100);
    CHECK_STATUS(response_finish(&response, &head), ANQA_OK);
    CHECK_STR(head, "HTTP/1.1 100 Continue\r\n\r\n");
}

TEST(a_status_without_a_phrase_is_written_all_the_same)
{
    struct response response;
    char buffer[128];
    anqa_str head;

    response_start(&response, buffer, sizeof buffer, 499);
    CHECK_STATUS(response_finish(&response, &head), ANQA_OK);
    CHECK_STR(without_date(head), "HTTP/1.1 499 Unknown\r\n\r\n");
}

TEST(a_value_that_would_write_a_field_of_its_own_is_refused)
{
    static const anqa_str values[] = {
        {"a\r\nset-cookie: b", 16}, {"a\rb", 3}, {"a\nb", 3}, {"a\0b", 3}, {"\n", 1}, {"a\r", 2}};
    static const char *const names[] = {"", "a b", "a:", "a\r\nb", "a\n", "\xc3\xa9"};
    struct response response;
    char buffer[256];
    anqa_str head;

    for (size_t i = 0; i < ANQA_COUNT(values); i++) {
        response_start(&response, buffer, sizeof buffer, 200);
        response_header(&response, "location", values[i]);
        response_header(&response, "good", anqa_str_of("value"));
        CHECK_STATUS(response_finish(&response, &head), ANQA_E_INVALID, "%zu", i);
        CHECK(memmem(buffer, response.len, values[i].ptr, values[i].len) == NULL ||
                  values[i].len == 1,
            "%zu", i);
    }
    for (size_t i = 0; i < ANQA_COUNT(names); i++) {
        response_start(&response, buffer, sizeof buffer, 200);
        response_header(&response, names[i], anqa_str_of("value"));
        CHECK_STATUS(response_finish(&response, &head), ANQA_E_INVALID, "%s", names[i]);
    }
}

TEST(a_buffer_of_any_size_is_not_overrun)
{
    for (size_t size = 0; size < 120; size++) {
        char *buffer = malloc(size == 0 ? 1 : size);
        struct response response;
        anqa_str head = {0};
        anqa_status status;
        CHECK(buffer != NULL);
        response_start(&response, buffer, size, 404);
        response_header(&response, "connection", anqa_str_of("close"));
        response_header_uint(&response, "content-length", 12);
        status = response_finish(&response, &head);
        /* 24 of the status line, 37 of the date, 19 and 20 of the fields, 2 */
        CHECK_STATUS(status, size < 102 ? ANQA_E_LIMIT : ANQA_OK, "%zu", size);
        CHECK_EQ(head.len, size < 102 ? 0 : 102, "%zu", size);
        free(buffer);
    }
}
