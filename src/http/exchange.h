/*
 * A request and its response, behind what anqa/conn.h shows of them.
 *
 * An exchange lies in the event's memory (anqa_tmp) of the connection's process, which is the request's. What carries it is told apart
 * by a few functions, struct exchange_ops: HTTP/1.1 here (h1.c), streams of other protocols likewise. They send what they are
 * given; the rules of a response (once, fields, callbacks) are kept above them, in exchange.c and exchange_send.c.
 *
 * owner: the process that serves the request.
 */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include <anqa/session.h> /* IWYU pragma: export */

#include "http/range.h"   /* IWYU pragma: export */
#include "http/request.h" /* IWYU pragma: export */

struct exchange;
struct error_pages; /* http/error_page.h */
struct session;     /* session.c */
struct params;      /* parsers.c */
struct gzip;        /* gzip.h */
struct conn;        /* http/conn.h */
struct response;    /* http/response.h */
struct ws_ops;      /* likewise */
struct ws_deflate;  /* http/extension.h */

/* What a protocol does for an exchange. All may wait. Those that send fail with E_CLOSED: the client is gone. */
struct exchange_ops {
    const char *scheme; /* "http" */
    /* Reads from 1 to `size` bytes of the body; 0 at its end. A failure stays: E_TIMEOUT, E_CLOSED, E_PARSE, E_LIMIT, with
     * exchange->failure. */
    anqa_status (*read)(
        struct exchange *exchange, char *buf, size_t size, uint64_t deadline_ms, size_t *ret_n);
    /* A trailer of the body that was read to its end. */
    bool (*trailer)(const struct exchange *exchange, const char *name, anqa_str *ret_value);
    anqa_status (*inform)(struct exchange *exchange, unsigned status, const anqa_header *headers);
    /* Status and fields of exchange, which are right. length: of the content, or EXCHANGE_STREAM. */
    anqa_status (*head)(struct exchange *exchange, uint64_t length);
    /* Content, not empty; drops it where the response has none (HEAD, 204, 304). */
    anqa_status (*data)(struct exchange *exchange, anqa_str bytes);
    anqa_status (*file)(struct exchange *exchange, int fd, struct range range);
    /* Behind all content. */
    anqa_status (*end)(struct exchange *exchange);
    /* Answers a request for a WebSocket, as conn_upgrade, and says which connection that is now. Fails: E_STOPPED (it was
     * answered that the service stops), E_CLOSED. */
    anqa_status (*upgrade)(struct exchange *exchange, const struct ws_ops *ops, void *user,
        uint16_t timeout_s, const struct ws_deflate *deflate, struct conn **ret_conn);
    void (*close)(struct exchange *exchange); /* the connection, behind the response */
    void (*peer)(const struct exchange *exchange, char text[ANQA_ADDRESS_TEXT]);
    /* Whether the peer has closed its side. It may still read what it is sent. NULL: who does ends the request. */
    bool (*left)(const struct exchange *exchange);
};

#define EXCHANGE_STREAM UINT64_MAX

/* A field of the response. */
struct resp_field {
    struct resp_field *next;
    const char *name;
    anqa_str value;
};

/* A value under a name. */
struct assign {
    struct assign *next;
    const char *name;
    const void *value;
    anqa_json json;
};

struct before_send {
    struct before_send *next;
    void (*fn)(anqa_conn *conn, void *arg);
    void *arg;
};

/* What is sent behind the head. */
enum answer_state {
    ANSWER_WHOLE,  /* pub.resp_body, which may be empty */
    ANSWER_STREAM, /* chunks */
    ANSWER_FILE
};

struct exchange {
    anqa_conn pub; /* first: who has the one has the other */
    const struct exchange_ops *ops;
    const struct request *request;
    const struct error_pages *pages; /* NULL: plain ones */
    struct resp_field *fields, **fields_end;
    struct assign *assigns, *privates;
    struct before_send *before_send;       /* the newest first */
    anqa_str secret;                       /* of the endpoint; may be empty */
    const anqa_session_opts *session_opts; /* NULL: it has no sessions */
    struct session *session;               /* NULL: nobody has asked for it yet */
    struct params *params;                 /* likewise */
    enum answer_state answer;              /* from the callbacks before the head on */
    struct gzip *gzip;                     /* through which chunks go; NULL: as they are */
    uint16_t plain_port, secure_port; /* where the server listens; 0: it does not, or not known */
    bool logs_id;                     /* the process's events have the id of this request */
    bool body_done;                   /* by the protocol: nothing of the body is left */
    uint64_t body_most;               /* bytes of it that may be read in all */
    uint64_t body_read;               /* that were */
    uint64_t paced_bytes; /* when so many were read, the time for the next part begins */
    uint64_t waited_ms;   /* for those of this part that have come */
    unsigned
        failure; /* why the body could not be read: what an exchange without an answer is answered with; 0 */
};

static inline struct exchange *exchange_of(const anqa_conn *conn)
{
    return (struct exchange *)(uintptr_t)conn;
}

/* Begins one. False: host or path cannot be, answer 400. `request` lives as long. */
bool exchange_init(
    struct exchange *exchange, const struct exchange_ops *ops, const struct request *request);

/* Drops the fields of the response of that name whose values begin with `prefix`. */
void exchange_drop_fields(struct exchange *exchange, const char *name, anqa_str prefix);

/* Bytes that its fields take, and the fields themselves: for the head. */
size_t exchange_fields_size(const struct exchange *exchange);
void exchange_write_fields(const struct exchange *exchange, struct response *response);
/* The head of an informational response, which has been checked. In anqa_tmp. */
anqa_str exchange_informal_head(unsigned status, const anqa_header *headers);

/* Reads of the body within its limit and its pace, as the protocol's `read`.
 * timeout_ms: how long the client is waited for in all for each 64 KiB of the body, however often and by whom they are read; 0: 15,000.
 * Fails, too: E_LIMIT, also before anything was read: the client is not told to send what is too long. */
anqa_status exchange_read(struct exchange *exchange, char *buf, size_t size, uint32_t timeout_ms,
    size_t *ret_n) ANQA_MUST_CHECK;

/* In a callback before the head: in place of what is about to be sent, also a file or chunks, words are. */
void exchange_refuse(struct exchange *exchange, unsigned status, anqa_str words);

/* Ends an answer in chunks. */
void exchange_end_stream(struct exchange *exchange);

/* Runs a pipeline and sees to it that there is an answer, and an end to it. */
void exchange_run(struct exchange *exchange, const anqa_plug *plugs);

#endif
