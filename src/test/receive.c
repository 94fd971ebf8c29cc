/* Assertions about messages, and about how processes end. */
#include "test/kit.h"

#include <stdio.h>

#include "runtime/sched.h"

#define DOWN_MS 5000u

enum { SHOWN_MESSAGES = 20, SHOWN_BYTES = 400 };

/* ---------------------------------------------------------------- the mailbox, in words */

static void show_body(const anqa_msg *msg)
{
    int len = (int)(msg->body.len < SHOWN_BYTES ? msg->body.len : SHOWN_BYTES);
    char text[200];

    if (msg->kind == ANQA_MSG_DOWN || msg->kind == ANQA_MSG_EXIT)
        fprintf(stderr, " from %s: %s", anqa_pid_text(msg->from, (char[ANQA_PID_TEXT]){0}),
            anqa_reason_format(msg->u.reason, text, sizeof text));
    else if (msg->payload == ANQA_PAYLOAD_OBJECT)
        fprintf(stderr, " (a %s)", msg->u.type->name);
    else if (msg->payload == ANQA_PAYLOAD_JSON)
        fprintf(stderr, " %.*s%s", len, msg->body.ptr, msg->body.len > SHOWN_BYTES ? "..." : "");
    else if (msg->payload != ANQA_PAYLOAD_NONE)
        fprintf(stderr, " %s",
            anqa_test_text_quote_((struct anqa_test_text){msg->body.ptr, (size_t)len}));
}

static void show_message(const struct wanted *wanted, const anqa_msg *msg)
{
    struct mismatch m;
    anqa_json value;

    fprintf(stderr, "    %s", msg->tag);
    show_body(msg);
    if (wanted != NULL && wanted->is(wanted, msg, &value) && !kit_fits(wanted->pattern, value, &m))
        fprintf(stderr, " -- %s %s", m.path[0] == '\0' ? "it" : m.path, m.words);
    fputc('\n', stderr);
}

void kit_show_mailbox(const struct wanted *wanted, anqa_rt *rt, anqa_pid pid)
{
    const struct proc *p = proc_slot(rt, pid);
    size_t count = 0;

    fputs("  mailbox:\n", stderr);
    for (const struct msg *msg = p->head; msg != NULL; msg = msg->next)
        if (count++ < SHOWN_MESSAGES)
            show_message(wanted, &msg->pub);
    if (count == 0)
        fputs("    empty\n", stderr);
    if (count > SHOWN_MESSAGES)
        fprintf(stderr, "    and %zu more\n", count - SHOWN_MESSAGES);
}

/* ---------------------------------------------------------------- waiting */

static bool accepts(const anqa_msg *msg, void *arg)
{
    const struct wanted *wanted = arg;
    struct mismatch m;
    anqa_json value = {NULL, 0};

    return wanted->is(wanted, msg, &value) && kit_fits(wanted->pattern, value, &m);
}

static const anqa_msg *take(const struct wanted *wanted, uint32_t timeout_ms)
{
    return anqa_receive_if(accepts, (void *)(uintptr_t)wanted, timeout_ms);
}

static const char *in_words(const struct wanted *wanted)
{
    return anqa_tmp_printf("%s \"%s\"%s%s%s%s", wanted->what, wanted->name,
        wanted->topic == NULL ? "" : " on ", wanted->topic == NULL ? "" : wanted->topic,
        wanted->pattern.len == 0 ? "" : " ", kit_pattern_text(wanted->pattern));
}

const anqa_msg *kit_assert(
    struct anqa_test_place place, const struct wanted *wanted, uint32_t timeout_ms)
{
    const anqa_msg *msg = take(wanted, timeout_ms);

    if (msg != NULL)
        return msg;
    fprintf(stderr, "%s:%d: check failed: no %s within %u ms\n", place.file, place.line,
        in_words(wanted), timeout_ms);
    (void)anqa_mailbox_length(); /* takes in what has come */
    kit_show_mailbox(wanted, anqa_rt_self(), anqa_self());
    kit_end_failed();
}

void kit_refute(struct anqa_test_place place, const struct wanted *wanted, uint32_t timeout_ms)
{
    const anqa_msg *msg = take(wanted, timeout_ms);

    if (msg == NULL)
        return;
    fprintf(stderr, "%s:%d: check failed: unexpected %s\n  got:\n", place.file, place.line,
        in_words(wanted));
    show_message(NULL, msg);
    kit_end_failed();
}

/* ---------------------------------------------------------------- any message */

static bool has_tag(const struct wanted *wanted, const anqa_msg *msg, anqa_json *ret_value)
{
    *ret_value = msg->payload == ANQA_PAYLOAD_OBJECT ? (anqa_json){NULL, 0} : msg->body;
    return anqa_tag_is(msg->tag, wanted->name);
}

const anqa_msg *anqa_test_assert_receive_(
    struct anqa_test_place place, const char *tag, uint32_t timeout_ms, const char *pattern, ...)
{
    struct wanted wanted = {.is = has_tag, .what = "message", .name = tag};
    va_list args;

    va_start(args, pattern);
    wanted.pattern = kit_pattern(pattern, args);
    va_end(args);
    return kit_assert(place, &wanted, timeout_ms);
}

void anqa_test_refute_receive_(
    struct anqa_test_place place, const char *tag, uint32_t timeout_ms, const char *pattern, ...)
{
    struct wanted wanted = {.is = has_tag, .what = "message", .name = tag};
    va_list args;

    va_start(args, pattern);
    wanted.pattern = kit_pattern(pattern, args);
    va_end(args);
    kit_refute(place, &wanted, timeout_ms);
}

/* ---------------------------------------------------------------- ends */

static void check_reason(
    struct anqa_test_place place, const char *what, anqa_reason reason, anqa_reason_kind kind)
{
    char text[3200];

    if (anqa_reason_get_kind(reason) != kind)
        anqa_test_fail_(place, what, anqa_reason_format(reason, text, sizeof text),
            anqa_reason_format(anqa_reason_of(kind), (char[64]){0}, 64), " ");
}

void anqa_test_assert_down_(struct anqa_test_place place, anqa_pid pid, anqa_reason_kind kind)
{
    const anqa_msg *down = anqa_receive_ref(anqa_monitor(pid), DOWN_MS);

    if (down == NULL)
        anqa_test_fail_(place, "the process ends", NULL, NULL, " within %u ms", DOWN_MS);
    check_reason(place, "the process's reason", down->u.reason, kind);
}

struct call {
    void (*fn)(void *arg);
    void *arg;
};

static void call_run(void *state)
{
    struct call *call = state;

    call->fn(call->arg);
}

const char *anqa_test_assert_exit_(
    struct anqa_test_place place, void (*fn)(void *arg), void *arg, anqa_reason_kind kind)
{
    struct call call = {fn, arg};
    anqa_spawn_opts opts = {
        .run = call_run, .arg = &call, .arg_size = sizeof call, .monitor = true};
    const anqa_msg *down;
    anqa_str text;
    anqa_ref ref;

    ANQA_REQUIRE(anqa_spawn(&opts, NULL, &ref) == ANQA_OK);
    down = anqa_receive_ref(ref, ANQA_INFINITY);
    check_reason(place, "the call's exit reason", down->u.reason, kind);
    text = anqa_reason_get_text(down->u.reason);
    return anqa_tmp_copy(text.ptr, text.len);
}
