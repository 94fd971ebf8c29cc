/* What tests of exit signals, links and processes share: what became of an exit signal, and an end with a text. */
#ifndef EXIT_FIXTURE_H
#define EXIT_FIXTURE_H

#include "rt_fixture.h"

struct told {
    size_t count;
    anqa_pid from;
    anqa_reason_kind kind;
};

/* How many EXIT messages wait here, and what the first says. */
static inline void look_for_exit(void *arg)
{
    struct told *told = arg;
    const anqa_msg *msg;

    *told = (struct told){0};
    while ((msg = rt_receive("EXIT", 0)) != NULL) {
        CHECK_EQ(msg->kind, ANQA_MSG_EXIT);
        if (told->count++ == 0) {
            told->from = msg->from;
            told->kind = anqa_reason_get_kind(msg->u.reason);
        }
        anqa_msg_free(msg);
    }
}

static inline void exit_with_text(void *text)
{
    anqa_exit(anqa_error_reason("%s", (const char *)text));
}

#endif
