/*
 * The network of scripts: fetch, WebSocket and EventSource.
 *
 * A script's process that asks for the network gets one process beside it, which works for it alone: its requests and
 * sockets are *jobs* of that. So connections are kept alive from one request to the next, but never shared between scripts'
 * processes; the end of one ends the other: it is monitored, and whatever lies in here goes by an exit hook.
 *
 *     script's process -> op_send -> net.c -> net_request.c, net_socket.c -> libcurl
 *     script's process <- web_tell <- net.c <-+
 *
 * Waiting. libcurl (its multi interface, driven by sockets) never blocks: its descriptors are in an epoll instance of the
 * process, level-triggered, and that instance is a descriptor as any other for the poller of the scheduler. Names are looked up
 * by net_look.c, on workers.
 *
 * Back-pressure. Of a body that comes, so many bytes are told ahead of the script's taking them as a window holds; beyond
 * that the transfer is paused. A body that goes is asked for in the same way: the script may be a window ahead.
 *
 * Windows hold for jobs that live, of scripts that say what they took. What lies in the mailboxes between the two processes is
 * charged on a meter besides, whatever became of its job: a script's process has one for as long as it lives. There is room
 * for the windows of as many jobs as may be; beyond that nobody's message goes until some were received.
 *
 * What is told (web_tell), to the id that a job was asked with: bytes, of a body; or an array, whose first element says what it
 * is:
 *     ["head", status, reason, [name, value, ...]]   ["end"]   ["sent", bytes]   ["error", kind, text]
 *     ["open", protocol]   ["text" or "bytes", part, last, cost]   ["closed", code, reason, clean]
 * After "end", "error" and "closed" the job is no more.
 *
 * libcurl is called in sections (anqa_section_begin): a fault in there ends the program. Its callbacks neither wait nor exit.
 */
#ifndef JS_WEB_NET_H
#define JS_WEB_NET_H

/* IWYU pragma: begin_exports */
#include <curl/curl.h>
#include <curl/easy.h>
#include <curl/multi.h>
#include <curl/system.h>
#include <curl/urlapi.h>

#include "base/list.h"
#include "js/web/net_policy.h"
#include "js/web/web.h"
/* IWYU pragma: end_exports */

enum {
    NET_WINDOW = 256 << 10, /* bytes told or asked for ahead */
    NET_PART = 64 << 10,    /* bytes in one message, both ways */
    NET_COST =
        256, /* what each message takes of a window beside its bytes: it bounds their number */
    NET_ASKED_MAX = 128 << 10, /* bytes of a message of the script's */
    NET_HOST_MAX = 255,        /* bytes of a name that is looked up */
    NET_LINE_MAX = 1024,       /* and of what is known of it */
    NET_NAMES = 8,             /* known at once */
};

/* What a script asks for; the first element of op_send. */
enum net_ask {
    NET_REQUEST,   /* a new job: {url, method, headers: [name, value, ...], length, endless} */
    NET_BODY,      /* bytes of its body */
    NET_BODY_END,  /* that was all */
    NET_TAKEN,     /* so many bytes of what was told are taken */
    NET_DROP,      /* the job is not wanted any more; nothing is told */
    NET_SOCKET,    /* a new job: {url, protocols} */
    NET_TEXT,      /* a part of a message of text, and */
    NET_TEXT_LAST, /* its last */
    NET_BYTES,     /* the same of bytes */
    NET_BYTES_LAST,
    NET_CLOSE, /* [code, reason] */
    NET_ASK_COUNT
};

struct net_job;

/* What a request and a socket do differently. */
struct net_kind {
    void (*ask)(struct net_job *job, enum net_ask ask, anqa_value value);
    void (*done)(struct net_job *job, CURLcode result); /* libcurl has no more to do */
    void (*ready)(struct net_job *job,
        unsigned events); /* its own descriptor is, EPOLL bits; a request: libcurl has read */
    /* Tells what there is to tell. True: the job is over, and to be freed. */
    bool (*flush)(struct net_job *job);
    uint64_t (*due)(
        const struct net_job *job); /* when it fails for want of time; UINT64_MAX: never */
    const char *(*late)(const struct net_job *job); /* and why; static */
    void (*free)(struct net_job *job);
};

enum net_look { NET_LOOK_NONE, NET_LOOK_WAITS, NET_LOOK_RUNS };

/* A name that was looked up. */
struct net_name {
    char *line; /* as CURLOPT_RESOLVE has it: "+host:port:address,..." */
    uint64_t until_ms;
};

/* One libcurl multi handle. */
struct net_multi {
    struct net *net;
    CURLM *handle;
    uint32_t id;     /* the upper half of the data of its descriptors in the epoll instance */
    uint64_t due_ms; /* of its timer; UINT64_MAX: none */
};

/* Owner: the network process, on its heap; `net` outlives it. */
struct net_job {
    struct anqa_list_node node;
    struct net *net;
    const struct net_kind *kind;
    struct net_multi *multi; /* where `easy` is */
    uint32_t id;
    CURL *easy;
    curl_socket_t fd; /* its own, in the epoll instance or not; or CURL_SOCKET_BAD */
    CURLU *url;
    enum net_reach reach;
    char *name; /* "host:port", which is looked up before libcurl has `easy`; NULL: an address */
    enum net_look look;
    uint64_t look_due_ms;
    struct curl_slist *resolve; /* what was found */
    bool done;
    bool refused;        /* an address of its name */
    const char *failure; /* NULL: none; else its kind: "refused", "limit", "timeout", "network" */
    char why[CURL_ERROR_SIZE];
    char text[CURL_ERROR_SIZE]; /* of libcurl */
};

/* Owner: the network process; its state. */
struct net {
    const anqa_js_script *script;
    anqa_pid owner;          /* the script's process */
    anqa_pid family;         /* spawn_root of that */
    struct buf_meter *meter; /* counted; NULL until it is told by the owner */
    uint32_t source;         /* where it hears that nothing is going on */
    anqa_ref watch;          /* of the owner's end */
    struct net_multi multi;
    anqa_js_net_limits limits; /* none is 0, but body_bytes */
    struct fd_entry *entry;    /* of the epoll instance */
    struct exit_hook hook;
    struct anqa_list jobs;
    uint32_t requests, sockets;
    uint32_t looking; /* look-ups that were begun and have said nothing */
    uint64_t look_ms; /* when to try once more to begin one; UINT64_MAX: never */
    struct net_name names[NET_NAMES];
    anqa_timer timer;
    uint64_t armed_ms; /* when it fires; UINT64_MAX: it does not */
    uint64_t idle_ms;  /* nothing is going on from then on */
    bool full;         /* some request has read a window, and is to be paused */
    bool stuck;        /* the script's mailbox took no more, or the meter */
    bool closing;      /* descriptors are not ours any more */
};

extern const struct js_op web_net_ops[];

/* ---------------------------------------------------------------- for jobs */

/* New ones, in net->jobs, which `free` takes out of; NULL: no memory. */
struct net_job *net_request_new(struct net *net, uint32_t id, anqa_value what);
struct net_job *net_socket_new(struct net *net, uint32_t id, anqa_value what);

/* Makes job->easy, with all that requests and sockets have in common, for an http(s) URL that the script may reach. False:
 * the job has failed. */
bool net_easy(struct net_job *job, anqa_str url);
/* Hands it to libcurl, when its name is looked up. */
void net_go(struct net_job *job);
/* At once. */
void net_add(struct net_job *job);
/* Takes it back from there, and frees it. */
void net_easy_free(struct net_job *job);

/* The first failure is what is told. */
void net_fail(struct net_job *job, const char *failure, const char *format, ...) ANQA_PRINTF(3, 4);
/* With what libcurl says. */
void net_fail_curl(struct net_job *job, CURLcode result);

/* Begins look-ups, as many as may be at once. */
void net_look_on(struct net *net);
/* Whether the message is of one that has ended, which goes on then. */
bool net_look_heard(struct net *net, const anqa_msg *msg);
/* Forgets names. */
void net_look_close(struct net *net);

bool net_multi_open(struct net_multi *multi, struct net *net, uint32_t id);
void net_multi_close(struct net_multi *multi);
/* The epoll instance of the process. */
int net_epoll(const struct net *net);

/* Tells; false: there is no room, once more later. */
bool net_tell(struct net_job *job, anqa_value value);
bool net_tell_bytes(struct net_job *job, const char *bytes, size_t len);
bool net_tell_word(struct net_job *job, const char *word);
bool net_tell_sent(struct net_job *job, size_t bytes);
bool net_tell_error(struct net_job *job);

/* ---------------------------------------------------------------- bytes that wait */

/* A queue of bytes: added behind, taken in front. Starts zeroed. */
struct net_bytes {
    char *bytes;
    size_t at, len, size; /* from at, up to len */
};

static inline size_t net_bytes_count(const struct net_bytes *queue)
{
    return queue->len - queue->at;
}

static inline char *net_bytes_first(const struct net_bytes *queue)
{
    return queue->bytes + queue->at;
}

/* Room for so many more behind; NULL: no memory. */
char *net_bytes_room(struct net_bytes *queue, size_t len);
bool net_bytes_add(struct net_bytes *queue, const void *bytes, size_t len);
void net_bytes_take(struct net_bytes *queue, size_t len);
void net_bytes_free(struct net_bytes *queue);

#endif
