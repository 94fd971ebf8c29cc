#include "http/response.h"

#include "base/clock.h"

#include <time.h>

#define LAST_DATE INT64_C(253402300799) /* of the year 9999 */

#define PHRASE_MAP(X)                         \
    X(100, "Continue")                        \
    X(101, "Switching Protocols")             \
    X(102, "Processing")                      \
    X(103, "Early Hints")                     \
    X(200, "OK")                              \
    X(201, "Created")                         \
    X(202, "Accepted")                        \
    X(204, "No Content")                      \
    X(206, "Partial Content")                 \
    X(301, "Moved Permanently")               \
    X(302, "Found")                           \
    X(303, "See Other")                       \
    X(304, "Not Modified")                    \
    X(307, "Temporary Redirect")              \
    X(308, "Permanent Redirect")              \
    X(400, "Bad Request")                     \
    X(401, "Unauthorized")                    \
    X(403, "Forbidden")                       \
    X(404, "Not Found")                       \
    X(405, "Method Not Allowed")              \
    X(406, "Not Acceptable")                  \
    X(408, "Request Timeout")                 \
    X(409, "Conflict")                        \
    X(410, "Gone")                            \
    X(411, "Length Required")                 \
    X(412, "Precondition Failed")             \
    X(413, "Content Too Large")               \
    X(414, "URI Too Long")                    \
    X(415, "Unsupported Media Type")          \
    X(416, "Range Not Satisfiable")           \
    X(417, "Expectation Failed")              \
    X(421, "Misdirected Request")             \
    X(422, "Unprocessable Content")           \
    X(426, "Upgrade Required")                \
    X(429, "Too Many Requests")               \
    X(431, "Request Header Fields Too Large") \
    X(500, "Internal Server Error")           \
    X(501, "Not Implemented")                 \
    X(502, "Bad Gateway")                     \
    X(503, "Service Unavailable")             \
    X(504, "Gateway Timeout")                 \
    X(505, "HTTP Version Not Supported")

const char *response_phrase(unsigned status)
{
#define PHRASE_CASE(number, text) \
    case number: return text;
    switch (status) {
        PHRASE_MAP(PHRASE_CASE)
    default: return "Unknown";
    }
#undef PHRASE_CASE
}

/* ---------------------------------------------------------------- dates */

static char *put_two(char *out, int number)
{
    out[0] = (char)('0' + number / 10);
    out[1] = (char)('0' + number % 10);
    return out + 2;
}

static char *put_text(char *out, const char *text, size_t len)
{
    memcpy(out, text, len);
    return out + len;
}

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Not strftime: its names depend on the locale. */
void response_write_date(int64_t unix_s, char ret_date[static RESPONSE_DATE_LEN])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    time_t time = (time_t)unix_s;
    struct tm tm;
    char *at = ret_date;

    gmtime_r(&time, &tm);
    at = put_text(at, days + (ptrdiff_t)tm.tm_wday * 3, 3);
    at = put_text(at, ", ", 2);
    at = put_two(at, tm.tm_mday);
    *at++ = ' ';
    at = put_text(at, months + (ptrdiff_t)tm.tm_mon * 3, 3);
    *at++ = ' ';
    at = put_two(at, (tm.tm_year + 1900) / 100);
    at = put_two(at, (tm.tm_year + 1900) % 100);
    *at++ = ' ';
    at = put_two(at, tm.tm_hour);
    *at++ = ':';
    at = put_two(at, tm.tm_min);
    *at++ = ':';
    at = put_two(at, tm.tm_sec);
    put_text(at, " GMT", 4);
}

static int digits_at(anqa_str text, size_t at, size_t count)
{
    int number = 0;

    for (size_t i = at; i < at + count; i++)
        number = number * 10 + (text.ptr[i] - '0');
    return number;
}

static int month_at(anqa_str text, size_t at)
{
    int month = 0;

    while (month < 12 && memcmp(months + (ptrdiff_t)month * 3, text.ptr + at, 3) != 0)
        month++;
    return month;
}

bool response_read_date(anqa_str text, int64_t *ret_unix_s)
{
    char again[RESPONSE_DATE_LEN];
    struct tm tm = {0};
    int64_t unix_s;

    if (text.len != RESPONSE_DATE_LEN)
        return false;
    tm.tm_mday = digits_at(text, 5, 2);
    tm.tm_mon = month_at(text, 8);
    tm.tm_year = digits_at(text, 12, 4) - 1900;
    tm.tm_hour = digits_at(text, 17, 2);
    tm.tm_min = digits_at(text, 20, 2);
    tm.tm_sec = digits_at(text, 23, 2);
    unix_s = timegm(&tm);
    if (unix_s < 0 || unix_s > LAST_DATE)
        return false;
    response_write_date(unix_s, again); /* what was no date is written in another way */
    if (!anqa_str_eq(text, anqa_str_make(again, sizeof again)))
        return false;
    *ret_unix_s = unix_s;
    return true;
}

/* The field with its CR LF, as it goes out. */
static anqa_str date_field(void)
{
    static const char name[] = "date: ";
    static _Thread_local char field[sizeof name - 1 + RESPONSE_DATE_LEN + 2];
    static _Thread_local int64_t made_for = -1;
    int64_t now = (int64_t)(clock_wall_ns() / 1000000000u);

    if (now != made_for) {
        put_text(field, name, sizeof name - 1);
        response_write_date(now, field + sizeof name - 1);
        put_text(field + sizeof field - 2, "\r\n", 2);
        made_for = now;
    }
    return anqa_str_make(field, sizeof field);
}

/* ---------------------------------------------------------------- heads */

static void put(struct response *response, anqa_str text)
{
    if (response->failed != ANQA_OK)
        return;
    if (text.len > response->size - response->len) {
        response->failed = ANQA_E_LIMIT;
        return;
    }
    if (text.len != 0)
        memcpy(response->buffer + response->len, text.ptr, text.len);
    response->len += text.len;
}

void response_start(struct response *response, char *buffer, size_t size, unsigned status)
{
    char line[] = "HTTP/1.1 000 ";

    *response = (struct response){.buffer = buffer, .size = size};
    line[9] = (char)('0' + status / 100 % 10);
    put_two(line + 10, (int)(status % 100));
    put(response, anqa_str_of(line));
    put(response, anqa_str_of(response_phrase(status)));
    put(response, anqa_str_of("\r\n"));
    if (status >= 200)
        put(response, date_field());
}

/* Of a name: letters, digits, '-' and '_'. */
static const bool name_chars[256] = {
    ['-'] = true,
    ['_'] = true,
    ['0' ... '9'] = true,
    ['A' ... 'Z'] = true,
    ['a' ... 'z'] = true,
};

bool response_is_name(anqa_str name)
{
    bool all = name.len != 0;

    for (size_t i = 0; i < name.len; i++)
        all &= name_chars[(unsigned char)name.ptr[i]];
    return all;
}

bool response_is_value(anqa_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c <= '\r' && (c == '\r' || c == '\n' || c == '\0'))
            return false;
    }
    return true;
}

void response_header(struct response *response, const char *name, anqa_str value)
{
    size_t name_len = strlen(name), len = name_len + value.len + strlen(": \r\n");
    char *at = response->buffer + response->len;

    if (response->failed != ANQA_OK)
        return;
    if (!response_is_name(anqa_str_make(name, name_len)) || !response_is_value(value)) {
        response->failed = ANQA_E_INVALID;
        return;
    }
    if (len > response->size - response->len) {
        response->failed = ANQA_E_LIMIT;
        return;
    }
    at = put_text(at, name, name_len);
    at = put_text(at, ": ", 2);
    if (value.len != 0)
        at = put_text(at, value.ptr, value.len);
    put_text(at, "\r\n", 2);
    response->len += len;
}

void response_header_uint(struct response *response, const char *name, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    response_header(response, name, anqa_str_make(digits + at, sizeof digits - at));
}

anqa_status response_finish(struct response *response, anqa_str *ret_head)
{
    put(response, anqa_str_of("\r\n"));
    if (response->failed == ANQA_OK)
        *ret_head = anqa_str_make(response->buffer, response->len);
    return response->failed;
}
