/*
 * What callers and supervisors say to each other. Tags are told apart by address. Everything travels as bytes within
 * one node, so that pointers to static specs may be among them.
 */
#ifndef OTP_REQUESTS_H
#define OTP_REQUESTS_H

/* IWYU pragma: begin_exports */
#include <anqa/memory.h>

#include "otp/child.h"
/* IWYU pragma: end_exports */

extern const char request_start_tag[];     /* dynamic: struct request_start, argument, key */
extern const char request_add_tag[];       /* static: struct request_add, argument, id */
extern const char request_terminate_tag[]; /* id, or a pid for a dynamic one */
extern const char request_restart_tag[];   /* id */
extern const char request_delete_tag[];    /* id */
extern const char request_resize_tag[];    /* partition supervisors: uint32_t */
extern const char request_which_tag[];
extern const char request_count_tag[];

/* Whether a call is one of those, which only supervisors answer. */
bool request_is_ours(const char *tag);

struct request_start {
    uint32_t arg_size;
    uint16_t id_len;
    bool arg_is_pointer; /* the bytes are those of a pointer */
};

struct request_add {
    anqa_child_spec spec;
    uint32_t arg_size; /* of a copy; 0: the argument is spec.arg itself, or zeroes */
    uint16_t id_len;
};

/* A child in the answer to `which`; its id follows, and why it ended last. */
struct request_child {
    anqa_pid pid;
    uint32_t id_len, exit_len, restarts;
    uint8_t kind, state, restart;
};

/* Answers a request with an outcome. */
void request_answer(const anqa_caller *caller, anqa_status status, anqa_pid pid, const char *format,
    ...) ANQA_PRINTF(4, 5);

/* The same for success, which has nothing to explain. */
void request_done(const anqa_caller *caller, anqa_pid pid);

/* Asks and brings the outcome. May wait. */
anqa_status request_ask(
    anqa_pid supervisor, const char *tag, anqa_payload payload, anqa_pid *ret_pid, anqa_error *err);

/* Builds an answer to `which` in the event's memory. */
struct request_list {
    char *bytes;
    size_t len, size;
};
void request_list_add(struct request_list *list, const struct request_child *child, const char *id,
    const char *last_exit);

#define LAST_EXIT_SIZE 96 /* bytes that are kept of why a child ended */

#endif
