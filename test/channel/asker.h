/* A long-poll client that blocks: one request after the other, each on a connection of its own. */
#ifndef TEST_CHANNEL_ASKER_H
#define TEST_CHANNEL_ASKER_H

#include "channel/rooms.h"

/* The rooms, with long-poll and events: "/socket", with a window of a second; "/quick", of 100 ms; "/slow", of 10 s; "/few", two
 * sessions. */
extern const anqa_endpoint polled_endpoint;

/* ---------------------------------------------------------------- requests */

struct answer {
    int status;
    char head[4096];
    char body[1 << 21];
};

/* Sends a request; fields: further ones, each with CR LF.   The answer is to be had by request_end. */
int request_begin(const char *method, const char *target, const char *fields, anqa_str body);
/* In a static buffer; the connection is closed. */
const struct answer *request_end(int fd);
const struct answer *request(
    const char *method, const char *target, const char *fields, const char *body);

/* ---------------------------------------------------------------- a client */

struct asker {
    const char *path; /* "/socket" */
    char query[100];  /* "vsn=2.0.0" */
    char token[500];
};

/* Opens a session, which must succeed. */
struct asker asker_open(const char *path, const char *query);
/* Asks for frames: the answer is to be had by asker_got. */
int asker_ask(const struct asker *asker);
/* The status in the body. ret_messages: their array; NULL: nobody asks. */
int asker_got(struct asker *asker, int fd, anqa_json *ret_messages);
/* The frames that have come, which must be these. */
void asker_expect(struct asker *asker, const char *const *frames, size_t count);
/* The same in several answers, one after the other. */
void asker_expect_one(struct asker *asker, const char *frame);
/* Posts one frame; the status. */
int asker_post(const struct asker *asker, const char *frame);
/* Posts lines. */
int asker_post_lines(const struct asker *asker, const char *lines);
/* Joins with ref and join_ref, which must succeed. */
void asker_join(struct asker *asker, const char *ref, const char *topic);

#endif
