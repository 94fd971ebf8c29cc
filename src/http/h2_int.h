/* What the files h2*.c share. See h2.h. owner of all: the thread of the scheduler. */
#ifndef HTTP_H2_INT_H
#define HTTP_H2_INT_H

/* IWYU pragma: begin_exports */
#include <sys/types.h>

#include <nghttp2/nghttp2.h>

#include "base/container.h"
#include "http/body.h"
#include "http/conn_int.h"
#include "http/exchange.h"
#include "http/h2.h"
#include "http/h2_stream.h"
/* IWYU pragma: end_exports */

#define H2_STREAMS 100u /* that a client may have open, or left behind; limits.streams */
#define H2_STREAM_WINDOW ((uint32_t)256 << 10) /* bytes of a body that nobody has read yet, */
#define H2_WINDOW ((uint32_t)1 << 20)          /* and of all bodies of a connection */
#define H2_SESSION_BYTES ((size_t)1 << 20) /* that nghttp2 may have allocated for one connection */
#define H2_OUTPUT_SHARE 4u /* all streams may hold so many times what one may leave unread */
#define H2_FRAMES_BYTES \
    ((uint64_t)32 << 20)  /* of unfinished frames and messages of all WebSockets */
#define H2_ODD_BURST 400u /* frames that cost the client nothing: so many at once, */
#define H2_ODD_RATE 40u   /* and so many a second */
#define H2_TRICKLE \
    1024u /* bytes that a client takes at least before the time of a write begins anew */

#define H2_FRAME_HEAD 9u

struct h2_head;

/* owner: the connection's process. */
struct h2 {
    struct conn *conn;
    nghttp2_session *session;
    struct anqa_list streams; /* struct h2_stream, whose processes live */
    struct anqa_list words;   /* h2_words.c */
    struct h2_head *head;     /* the one that comes now; NULL: none */
    size_t session_bytes;     /* allocated by nghttp2 */
    uint64_t output_bytes;    /* of all streams */
    uint64_t allowed_bytes;   /* that some of them may hold beyond the limit (conn_allow) */
    uint64_t moved;           /* of the output of streams, that went to the connection's */
    uint64_t held;            /* for frames of WebSockets that are not whole yet, of all streams */
    uint32_t live;            /* length of `streams` */
    uint32_t odd;             /* frames that may still come, as of */
    uint32_t odd_s;           /* this second */
    uint32_t free_updates;    /* WINDOW_UPDATEs that what we have sent explains */
    uint32_t error;           /* NGHTTP2_: why a callback has failed */
    bool leaving : 1;         /* the client was told that the end is near, */
    bool left : 1;            /* and which streams are the last */
    bool timed_head : 1;      /* its time-out is that of a head */
    bool failed : 1;          /* told GOAWAY with an error: streams are lost */
};

/* What a stream's process waits for. */
enum stream_wait { STREAM_WAIT_INPUT, STREAM_WAIT_ROOM, STREAM_WAIT_SENT };

/* owner: its process, as its state. */
struct h2_stream {
    struct conn conn;           /* first: who has the one has the other */
    struct h2 *h2;              /* NULL: the connection has ended */
    struct anqa_list_node node; /* of the connection */
    struct request *request;    /* behind this struct */
    char *trailers;             /* as struct body has them; NULL: none. owned */
    char *late;                 /* the head of the answer, while it is held; NULL. owned */
    uint64_t wait_ref;          /* event that the process waits for; 0: it does not wait here */
    uint64_t moved;             /* of the output, to the connection */
    uint32_t wait_below; /* STREAM_WAIT_ROOM: the event is that no more of the output is left */
    uint32_t unread;     /* bytes that have come and that the windows lack */
    uint32_t skipped;    /* of a body that nobody has read, behind the answer */
    uint32_t held;       /* part of h2->held */
    uint32_t holds_s;    /* since when it holds */
    int32_t id;
    uint16_t trailers_len, late_len;
    uint8_t wait;      /* enum stream_wait */
    bool open : 1;     /* nghttp2 knows it */
    bool headed : 1;   /* the head of the response has gone to nghttp2 */
    bool deferred : 1; /* nghttp2 has found nothing to send, and waits to be told */
    bool finished : 1; /* nothing comes behind the output */
    bool sent : 1;     /* END_STREAM has gone out */
    bool due : 1;      /* the client waits for "100 Continue" */
    bool begun : 1;    /* its request was looked at */
    bool secure : 1;   /* its connection speaks TLS */
    bool patient : 1;  /* its answer shall not end before the body of the request */
    bool holds : 1;    /* so it does not end yet */
};

static inline struct h2_stream *stream_of(const struct conn *conn)
{
    return (struct h2_stream *)(uintptr_t)conn;
}

/* ---------------------------------------------------------------- the connection */

static inline uint32_t h2_streams(const struct h2 *h2)
{
    uint32_t given = h2->conn->service->max_streams;

    return given == 0 ? H2_STREAMS : given;
}

/* Something is to be sent, or the end has come. */
void h2_wake(struct h2 *h2);
/* Counts a frame that costs us more than the client. False: they are too many, and the connection fails. */
bool h2_odd(struct h2 *h2);
/* The last stream has ended: from now on the connection is idle, unless it ends. */
void h2_rests(struct h2 *h2);

/* ---------------------------------------------------------------- heads (h2_head.c) */

enum h2_head_result {
    H2_HEAD_DONE,
    H2_HEAD_REFUSED,  /* request->status, request->why */
    H2_HEAD_MALFORMED /* RFC 9113, 8.1.1: a stream error */
};

/* A head, or trailers. NULL: no memory. */
struct h2_head *h2_head_new(int32_t stream, bool trailers);
void h2_head_free(struct h2_head *head);
int32_t h2_head_stream(const struct h2_head *head);
/* Of a field that nghttp2 has let pass. Past the limits it is only counted. Fails: E_NOMEM; E_LIMIT (far past them). */
anqa_status h2_head_add(struct h2_head *head, anqa_str name, anqa_str value,
    const struct request_limits *limits) ANQA_MUST_CHECK;
/* Makes a request of it. *ret_bytes: what its slices point into, request->head_bytes of it; lives as long as the head. */
enum h2_head_result h2_head_request(struct h2_head *head, bool has_body,
    const struct request_limits *limits, struct request *request, const char **ret_bytes);
/* Trailers as struct body has them, malloc'ed. NULL: there are none. */
char *h2_head_trailers(const struct h2_head *head, uint16_t *ret_len);

/* ---------------------------------------------------------------- streams (h2_stream.c) */

/* Starts the process that serves a request, which is copied. Fails: E_LIMIT, E_NOMEM. */
anqa_status stream_start(struct h2 *h2, int32_t id, const struct request *request,
    const char *bytes, bool ended) ANQA_MUST_CHECK;

/* Ends it before its time: the client is told by RST_STREAM. */
void stream_drop(struct h2_stream *stream);

/* What happens to it, told by callbacks of nghttp2. */
void stream_data(struct h2_stream *stream, anqa_str data);
void stream_trailers(struct h2_stream *stream, const struct h2_head *head);
void stream_input_over(struct h2_stream *stream);
void stream_output_over(struct h2_stream *stream); /* END_STREAM has gone out */
void stream_gone(struct h2_stream *stream);        /* nghttp2 forgets it */
void stream_orphan(struct h2_stream *stream);      /* so does its connection */
/* The client has ended its side, so no window will be opened: what can not go out ends. */
void stream_last_window(struct h2_stream *stream);
/* Whether the end of the answer, which is whole, is to be held now: see h2_stream.c. */
bool stream_holds(struct h2_stream *stream);
/* What nghttp2 sends next of the output, or that there is nothing. */
ssize_t stream_offer(struct h2_stream *stream, size_t length, uint32_t *data_flags);
/* Moves it to the connection's output. False: no memory. */
bool stream_move(struct h2_stream *stream, const uint8_t *frame_head, size_t length);

/* Opens the windows for bytes that were taken. */
void stream_taken(struct h2_stream *stream, size_t n);
/* Waits for something to read, or the end of it. Fails: E_TIMEOUT, E_CLOSED. May wait. */
anqa_status stream_wait_input(struct h2_stream *stream, uint64_t deadline_ms) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- last words (h2_words.c) */

/* Answers a stream whose process is gone; the content is copied. False: no memory, nothing is said. */
bool h2_words_say(
    struct h2 *h2, int32_t id, const nghttp2_nv *fields, size_t count, anqa_str content);
/* What has not gone out is not waited for any more: its streams are reset. stuck: those only whose windows are shut. */
void h2_words_give_up(struct h2 *h2, bool stuck);
/* The stream is closed. id 0: all are. */
void h2_words_drop(struct h2 *h2, int32_t id);

/* ---------------------------------------------------------------- exchanges (h2_exchange.c) */

/* A request that plugs see. Lies in the event's memory. */
struct h2_exchange {
    struct exchange exchange;
    struct h2_stream *stream;
    anqa_status broken; /* why the body can not be read any more; ANQA_OK */
};

const struct exchange_ops *h2_ops(const struct h2_stream *stream);
/* The fields of a head that was written for HTTP/1.1, one for each of its lines. Returns how many there are. */
size_t h2_fields(anqa_str head, nghttp2_nv *fields);
/* Sends the head that was held. False: no memory. */
bool h2_late_head(struct h2_stream *stream);

#endif
