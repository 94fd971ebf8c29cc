#include "children.h"

#include <stdio.h>
#include <string.h>

anqa_pid observer;
const char *plans[26];

static char letter(void)
{
    return anqa_child_id().len == 0 ? '-' : anqa_child_id().ptr[0];
}

void tell(const char *tag)
{
    char who = letter();

    (void)anqa_send(observer, tag, anqa_bytes(&who, 1));
}

static char next_plan(char who)
{
    const char **at = &plans[who == '-' ? 0 : who - 'a'];

    return *at == NULL || **at == '\0' ? '\0' : *(*at)++;
}

anqa_next worker_init(void *state, const void *arg)
{
    switch (next_plan(letter())) {
    case 'f': return anqa_stop_with(anqa_error_reason("%c has a bad day", letter()));
    case 'i': return anqa_ignore();
    default: tell("start"); return anqa_noreply();
    }
}

static anqa_next worker_exit(void *state, anqa_msg *msg)
{
    if (anqa_str_is(anqa_json_text(msg->body), "normal"))
        return anqa_stop_with(ANQA_NORMAL);
    if (anqa_str_is(anqa_json_text(msg->body), "shutdown"))
        return anqa_stop_with(ANQA_SHUTDOWN);
    if (anqa_str_is(anqa_json_text(msg->body), "shutdown, text"))
        return anqa_stop_with(anqa_reason_make(ANQA_REASON_SHUTDOWN, "with a text"));
    return anqa_stop_with(anqa_error_reason("boom"));
}

static anqa_next worker_ping(void *state, anqa_msg *msg)
{
    return anqa_reply(ANQA_JSON_TRUE);
}

static void worker_terminate(void *state, anqa_reason reason)
{
    tell("stop");
}

const anqa_gen_server worker = {
    .init = worker_init,
    .terminate = worker_terminate,
    .trap_exit = true,
    .handle_call = (const anqa_handler[]){{"ping", worker_ping}, {0}},
    .handle_cast = (const anqa_handler[]){{"exit", worker_exit}, {0}},
};

anqa_rt *begin_here(void)
{
    anqa_rt *rt = begin();

    observer = anqa_self();
    return rt;
}

anqa_pid start(const anqa_supervisor *spec)
{
    anqa_pid pid = {0};
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_supervisor_start_link(spec, &pid, &err), ANQA_OK, "%s", err.text);
    return pid;
}

static bool is_news(const anqa_msg *msg, void *arg)
{
    return anqa_tag_is(msg->tag, "start") || anqa_tag_is(msg->tag, "stop");
}

const char *news(size_t count)
{
    char *text = anqa_tmp_printf("%64s", "");
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        const anqa_msg *msg = anqa_receive_if(is_news, NULL, HARNESS_LONG_MS);
        CHECK(msg != NULL, "only %zu of %zu", i, count);
        len += (size_t)snprintf(text + len, 64 - len, "%s%c%.*s", i == 0 ? "" : " ",
            anqa_tag_is(msg->tag, "start") ? '+' : '-', ANQA_FMT(msg->body));
    }
    return text;
}

const char *news_like(const char *expected)
{
    return news((strlen(expected) + 1) / 3);
}

bool no_news(void)
{
    return anqa_receive_if(is_news, NULL, 0) == NULL;
}

anqa_child_info info_of(anqa_pid sup, const char *id)
{
    anqa_child_info *children;
    size_t count;

    CHECK_STATUS(anqa_supervisor_which_children(sup, &children, &count), ANQA_OK);
    for (size_t i = 0; i < count; i++)
        if (anqa_str_is(children[i].id, id))
            return children[i];
    return (anqa_child_info){.id = {NULL, 0}};
}

anqa_pid child(anqa_pid sup, const char *id)
{
    return info_of(sup, id).pid;
}

void settle(anqa_pid sup)
{
    anqa_child_counts counts;

    CHECK_STATUS(anqa_supervisor_count_children(sup, &counts), ANQA_OK);
}

void crash(anqa_pid sup, const char *id, const char *how)
{
    anqa_cast(child(sup, id), "exit", (anqa_json){how, strlen(how)});
}

void crash_gives(anqa_pid sup, const char *id, const char *how, const char *expected)
{
    crash(sup, id, how);
    CHECK_STR(news_like(expected), expected, "%s of %s", how, id);
}

void crash_is_survived(anqa_pid sup, const char *id, const char *how, const char *expected)
{
    crash_gives(sup, id, how, expected);
    settle(sup);
}

void crash_is_the_end(anqa_pid sup, const char *id, const char *how, const char *expected)
{
    const anqa_msg *exit;

    crash_gives(sup, id, how, expected);
    exit = expect("EXIT");
    CHECK(anqa_pid_eq(exit->from, sup));
    CHECK_EQ(anqa_reason_get_kind(exit->u.reason), ANQA_REASON_SHUTDOWN);
}
