/*
 * A crowd in the chat_room example: thousands of WebSocket clients that talk in its rooms, one process of the example as
 * the server, and an account of what everybody heard.
 *
 * Client i sits in room i % rooms. Even rooms are calm; odd ones are stormy: they are crashed, again and again, and
 * whoever crashed one then talks until it answers. A message is known by its sender and its number (1 to 63), so that
 * what each client got, what was answered and what was refused are bit sets.
 *
 * A hostile share of the clients comes on top of all that: some stop reading while they make the server write, some send
 * garbage at every stage of a connection, some vanish with a reset; then they come again. Some make their channel in the
 * server dereference a null pointer, and join again. They sit in the rooms of the others, who must not notice.
 */
#ifndef TEST_SOAK_CHAT_LOAD_H
#define TEST_SOAK_CHAT_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct load_options {
    const char *program; /* of the example */
    uint32_t rooms, clients;
    uint32_t hostile; /* how many of the clients are */
    uint32_t seconds; /* of talk */
    uint32_t messages_per_s;
    uint32_t kills_per_s;
};

/* Each figure of `wrong` is a count of what must never be; the first few are also printed. */
#define LOAD_WRONG_MAP(X)                                                     \
    X(lost, "messages that somebody in the room never got")                   \
    X(repeated, "messages that somebody got twice")                           \
    X(disordered, "messages that overtook an earlier one of the same sender") \
    X(foreign, "messages that nobody sent to this room, or damaged ones")     \
    X(shared_ids, "messages with the id of another one")                      \
    X(changed_ids, "messages with one id here and another one there")         \
    X(unanswered, "messages without an answer")                               \
    X(refused, "messages to a calm room that were refused")                   \
    X(unrecovered, "rooms that did not answer again after a crash")           \
    X(failed, "clients that were not let in, or lost their connection or channel")

struct load_wrong {
#define X(name, text) uint64_t name;
    LOAD_WRONG_MAP(X)
#undef X
};

struct load_result {
    struct load_wrong wrong;
    uint64_t sent, answered, refused_stormy, delivered;
    uint64_t crashes, first_try; /* crashes after which the very next message was taken */
    uint64_t worst_reply_us, mean_reply_us; /* in calm rooms */
    uint64_t worst_recovery_ms;
    uint64_t came,
        dropped;     /* hostile connections that were opened; slow readers that the server reset */
    uint64_t faults; /* channels that ended by a fault in C, and were told to their client */
    uint64_t filled; /* messages before the rooms were crashed and the memory watched */
    double join_seconds, fill_seconds, server_cpu_s;
    uint64_t start_kb, end_kb,
        peak_kb;               /* memory of the server after warm-up, at the end, and the most */
    double percent_per_minute; /* its slope from warm-up to end */
    uint64_t full_kb,
        full_again_kb; /* with all histories full, before and after the talk and the crashes */
    uint32_t fds_before, fds_with_all, fds_after;
    double stop_seconds; /* from SIGTERM to the end */
    int exit_status;     /* as waitpid has it */
};

/* Starts the server, does it all, stops the server. Prints figures; fails the test by a check if the server does not
 * come up or ends by itself. */
struct load_result load_run(const struct load_options *options);

#endif
