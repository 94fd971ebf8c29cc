/**
 * anqa/requests.h - many requests at once, whose answers are taken as they come: OTP's request collections.
 *
 *     anqa_requests requests = {0};
 *     anqa_response response;
 *     anqa_until until = anqa_within(5000);
 *
 *     for (size_t i = 0; i < count; i++)
 *         anqa_requests_send(&requests, shops[i], "price", anqa_text(article), i);
 *     while (anqa_requests_receive(&requests, until, ANQA_RESPONSE_DELETE, &response) == ANQA_OK)
 *         if (response.status == ANQA_OK)
 *             prices[response.label] = anqa_json_int(response.answer, "price", 0);
 *
 * A collection holds requests with a label each, which says what the answer is for: a number, or a pointer. Whatever
 * answers calls can be asked: gen_server, gen_statem, a supervisor, a process that uses anqa_reply_to. Each request has
 * exactly one response: the answer, or the news that the server is dead, which tells "never delivered" (E_NOPROC: it
 * may be sent again, elsewhere) from "outcome unknown" (E_DIED).
 *
 * In OTP's words: anqa_requests_send is send_request/4, _add is reqids_add, _receive, _wait and _check are receive_response,
 * wait_response and check_response. For one request alone there are anqa_request, anqa_receive_ref and
 * anqa_request_cancel (anqa/process.h).
 *
 * Cost. Each step costs the same with ten requests and with ten thousand, however long the mailbox is, as long as the
 * requests are sent first and received then. A message of a response is part of the current event: who receives very
 * many in one event gives them back with anqa_msg_free(response.msg).
 *
 * Ownership. A zeroed struct is an empty collection. It belongs to one process, in its frame or state; its memory is
 * that process's heap. Threads. "Context: process" throughout; out of memory ends the process.
 */
#ifndef ANQA_REQUESTS_H
#define ANQA_REQUESTS_H

#include <anqa/process.h>

ANQA_BEGIN_DECLS

/* ---------------------------------------------------------------- until when */

/** A time on the clock of anqa_now_ms. Zero is past: who waits until then only looks. */
typedef struct anqa_until {
    uint64_t at_ms;
} anqa_until;

/** So many milliseconds from now; ANQA_INFINITY: never. Made once, it bounds many waits together. */
ANQA_API anqa_until anqa_within(uint32_t timeout_ms);

/* ---------------------------------------------------------------- collections */

struct anqa_request_entry;

/** The fields are for the functions below only. */
typedef struct anqa_requests {
    struct anqa_request_entry *entries; /* as they were added; removed ones stay until it grows */
    uint32_t *index;                    /* by reference: number of the entry + 1; 0: free */
    uint32_t used, capacity;            /* of entries */
    uint32_t count, waiting;            /* of those that were not removed; without a response */
    anqa_ref mark;
} anqa_requests;

/** A request of a collection. */
typedef struct anqa_request_info {
    anqa_ref request;
    uint64_t label;
    bool answered; /* its response was received and the request kept */
} anqa_request_info;

/** Sends a request and adds it; its reference, for who wants to find it again. */
ANQA_API anqa_ref anqa_requests_send(
    anqa_requests *requests, anqa_pid to, const char *tag, anqa_payload payload, uint64_t label);

/** Adds what anqa_request has returned. Fails: E_EXISTS (it is there already). */
ANQA_API anqa_status anqa_requests_add(anqa_requests *requests, anqa_ref request, uint64_t label);

/** Requests in it, with those that were answered and kept. */
ANQA_API size_t anqa_requests_size(const anqa_requests *requests);

/** All of them, in the order they were added. They live as long as the current event. */
ANQA_API void anqa_requests_list(
    const anqa_requests *requests, anqa_request_info **ret_infos, size_t *ret_count);

/** Abandons what was not answered (nothing comes for it any more) and leaves an empty collection without memory. */
ANQA_API void anqa_requests_clear(anqa_requests *requests);

/* ---------------------------------------------------------------- responses */

/** What becomes of a request whose response has been received. */
typedef enum anqa_response_mode {
    ANQA_RESPONSE_DELETE, /* it leaves the collection */
    ANQA_RESPONSE_KEEP    /* it stays, marked as answered: for who wants to list them in the end */
} anqa_response_mode;

/** One response. What it points to lives as long as the current event, or `msg` if that is kept or freed. */
typedef struct anqa_response {
    /* OK; E_NOPROC (never delivered: the server was dead, or died before it began); E_DIED (it ended over
     * it: outcome unknown) */
    anqa_status status;
    uint64_t label;
    anqa_ref request;
    anqa_pid from;      /* who has answered, or ended */
    anqa_json answer;   /* OK: bytes of the answer, as msg->body */
    anqa_reason reason; /* else: why it ended; borrowed */
    const anqa_msg *msg;
} anqa_response;

/**
 * Waits for a response to any request of the collection.
 * On a time-out all requests without a response are abandoned and leave the collection: nothing comes for them any more.
 * Fails: E_NOT_FOUND (no request is without a response), E_TIMEOUT.   Context: process; may wait.
 */
ANQA_API anqa_status anqa_requests_receive(anqa_requests *requests, anqa_until until,
    anqa_response_mode mode, anqa_response *ret_response) ANQA_MUST_CHECK;

/** As anqa_requests_receive, but after a time-out the requests are still there and can be waited for again. */
ANQA_API anqa_status anqa_requests_wait(anqa_requests *requests, anqa_until until,
    anqa_response_mode mode, anqa_response *ret_response) ANQA_MUST_CHECK;

/** Whether a message, as handle_any_info or anqa_receive gives it, is a response to one of the requests; never waits.
 * Fails: E_NOT_FOUND (it is not). */
ANQA_API anqa_status anqa_requests_check(anqa_requests *requests, const anqa_msg *msg,
    anqa_response_mode mode, anqa_response *ret_response) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
