/*
 * The head of an HTTP/1.1 response, written into room that the caller gives.
 *
 * A value with CR, LF or NUL in it would let whoever chose it write fields, or a whole response, of his own: it is refused, and
 * so is what does not fit. The first failure sticks and is reported by response_finish, so that calls need no checks of
 * their own. The field Date is written by response_start; its text is made once a second for each thread.
 *
 * Any thread; never waits.
 */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include <anqa/base.h>

#define RESPONSE_DATE_LEN 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Enough for all heads that are written here and a few long values. */
#define RESPONSE_HEAD_SIZE 4096

struct response {
    char *buffer;
    size_t len, size;
    anqa_status failed; /* ANQA_OK so far */
};

/* The phrase of a status, as "Not Found"; "Unknown" for one that has none. Static. */
const char *response_phrase(unsigned status);

/* Writes the date of `unix_s` (from 1970 to 9999), without a NUL. */
void response_write_date(int64_t unix_s, char ret_date[static RESPONSE_DATE_LEN]);

/* Reads such a date, as all that is sent today is written; false: it is none. */
bool response_read_date(anqa_str text, int64_t *ret_unix_s);

/* Begins a head with the status line, and Date for statuses from 200 on. status: 100 to 599. */
void response_start(struct response *response, char *buffer, size_t size, unsigned status);

/* One field. name: a token, by convention in lower case. */
void response_header(struct response *response, const char *name, anqa_str value);
void response_header_uint(struct response *response, const char *name, uint64_t value);

/* What can be a field's name, and its value. */
bool response_is_name(anqa_str name);
bool response_is_value(anqa_str value);

/*
 * The empty line. ret_head: lies in the buffer.
 * Fails: E_INVALID (a name or a value that cannot be), E_LIMIT (the buffer is too small).
 */
anqa_status response_finish(struct response *response, anqa_str *ret_head) ANQA_MUST_CHECK;

#endif
