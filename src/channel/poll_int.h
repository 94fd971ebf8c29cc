/* How sessions (poll.c) are asked (poll_ask.c). */
#ifndef CHANNEL_POLL_INT_H
#define CHANNEL_POLL_INT_H

#include "channel/poll.h" /* IWYU pragma: export */

/* Calls to a session, told apart by address: a poll_head, behind that of a post its body. */
extern const char poll_wait_tag[], poll_post_tag[], poll_close_tag[];

struct poll_head {
    uint64_t secret[2];
    enum poll_body kind; /* of a post */
};

extern const anqa_behaviour poll_behaviour;

#endif
