#include "presence/presenter.h"

#include <stdlib.h>
#include <string.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "base/container.h"
#include "presence/diff.h"
#include "pubsub/pubsub.h"

struct waiting {
    struct anqa_list_node node;
    uint64_t rest; /* who has not got it yet (pubsub.h) */
    uint32_t topic_len, diff_len;
    char text[]; /* topic, diff */
};

/* A diff that is left out would never be made good, so it is told again as long as there is no room for it, before all others; but
 * not to those who got it already: one scheduler that hangs must not cost the clients of the others a diff at each try. */
static bool broadcast(anqa_str topic, anqa_json diff, uint64_t *rest)
{
    anqa_status status = pubsub_local_rest(topic, "presence_diff", diff, rest);

    ANQA_REQUIRE((status == ANQA_OK || status == ANQA_E_FULL || status == ANQA_E_NOMEM) &&
                 "a diff that can be told");
    return status == ANQA_OK;
}

static void log_stuck(const anqa_presence *spec, anqa_str topic)
{
    anqa_log(ANQA_WARN, "presence.diff_waits",
        "presence=%s topic=%.*s error=\"too much waits to be handed out, or no memory\" "
        "next=retried",
        spec->name, ANQA_FMT(topic));
}

/* ---------------------------------------------------------------- the application's process */

struct audience {
    const anqa_presence *spec;
    void *state;
};

/* A request: topic, diff and list follow each other. */
struct told {
    uint32_t topic_len, diff_len;
};

static anqa_json fetched(const anqa_presence *spec, anqa_str topic, anqa_json presences)
{
    bool empty = presences.len == strlen("{}");

    if (spec->fetch == NULL || empty)
        return presences;
    presences = spec->fetch(topic, presences);
    ANQA_REQUIRE(anqa_json_type_of(presences) == ANQA_JSON_IS_OBJECT && "fetch gives an object");
    return presences;
}

static void broadcast_some_time(const anqa_presence *spec, anqa_str topic, anqa_json diff)
{
    uint64_t rest = PUBSUB_ALL;

    if (broadcast(topic, diff, &rest))
        return;
    log_stuck(spec, topic);
    do
        anqa_sleep(PRESENTER_RETRY_MS);
    while (!broadcast(topic, diff, &rest));
}

static anqa_next on_diff(void *state, anqa_msg *msg)
{
    struct audience *audience = state;
    const anqa_presence *spec = audience->spec;
    const char *at = msg->body.ptr + sizeof(struct told);
    anqa_json diff, joins, leaves, presences;
    struct told told;
    anqa_str topic;

    memcpy(&told, msg->body.ptr, sizeof told);
    topic = anqa_str_make(at, told.topic_len);
    diff = (anqa_json){at + told.topic_len, told.diff_len};
    presences =
        (anqa_json){diff.ptr + diff.len, msg->body.len - sizeof told - topic.len - diff.len};
    ANQA_REQUIRE(anqa_json_get(diff, "joins", &joins) == ANQA_OK &&
                 anqa_json_get(diff, "leaves", &leaves) == ANQA_OK);
    broadcast_some_time(
        spec, topic, diff_of(fetched(spec, topic, joins), fetched(spec, topic, leaves)));
    if (spec->handle_metas != NULL)
        spec->handle_metas(audience->state, topic, joins, leaves, presences);
    return anqa_reply(ANQA_JSON_NULL);
}

static anqa_next begin(void *state, const void *arg)
{
    struct audience *audience = state;

    audience->spec = arg;
    audience->state = anqa_heap_calloc(1, audience->spec->state_size + 1);
    if (audience->spec->init != NULL)
        audience->spec->init(audience->state);
    return anqa_noreply();
}

static const anqa_gen_server audience_server = {
    .label = "presence hooks",
    .state_size = sizeof(struct audience),
    .init = begin,
    .handle_call = (const anqa_handler[]){{"diff", on_diff}, {0}},
};

/* ---------------------------------------------------------------- the shard's side */

void presenter_init(struct presenter *presenter, const anqa_presence *spec,
    anqa_json (*list)(void *arg, anqa_str topic), void *arg)
{
    *presenter = (struct presenter){.spec = spec, .list = list, .arg = arg};
    anqa_list_init(&presenter->waiting);
}

static struct waiting *first(const struct presenter *presenter)
{
    return ANQA_CONTAINER_OF(anqa_list_first(&presenter->waiting), struct waiting, node);
}

static anqa_str topic_of(const struct waiting *waiting)
{
    return anqa_str_make(waiting->text, waiting->topic_len);
}

static anqa_json diff_in(const struct waiting *waiting)
{
    return (anqa_json){waiting->text + waiting->topic_len, waiting->diff_len};
}

static void drop_first(struct presenter *presenter)
{
    struct waiting *waiting = first(presenter);

    anqa_list_remove(&waiting->node);
    presenter->count--;
    free(waiting);
}

void presenter_done(struct presenter *presenter)
{
    while (presenter->count > 0)
        drop_first(presenter);
}

static void tell_all_as_they_are(struct presenter *presenter)
{
    bool was_stuck = presenter->stuck;

    presenter->stuck = false;
    for (; presenter->count > 0; drop_first(presenter)) {
        struct waiting *waiting = first(presenter);
        if (broadcast(topic_of(waiting), diff_in(waiting), &waiting->rest))
            continue;
        presenter->stuck = true;
        if (!was_stuck)
            log_stuck(presenter->spec, topic_of(waiting));
        return;
    }
}

bool presenter_is_stuck(struct presenter *presenter)
{
    if (presenter->stuck)
        tell_all_as_they_are(presenter);
    return presenter->stuck;
}

/* Linked, so that it ends with the shard. */
static bool is_running(struct presenter *presenter)
{
    anqa_error err;

    if (!anqa_pid_is_none(presenter->pid) ||
        anqa_gen_server_start_link(
            &audience_server, presenter->spec, NULL, &presenter->pid, &err) == ANQA_OK)
        return true;
    presenter->pid = (anqa_pid){0};
    anqa_log(ANQA_ERROR, "presence.hooks", "presence=%s error=\"%s\" next=told_without",
        presenter->spec->name, err.text);
    return false;
}

static void ask_next(struct presenter *presenter)
{
    const struct waiting *waiting;
    anqa_json list = {NULL, 0};
    struct told told;
    char *bytes;

    if (presenter->count == 0)
        return;
    if (!is_running(presenter)) {
        tell_all_as_they_are(presenter);
        return;
    }
    waiting = first(presenter);
    if (presenter->spec->handle_metas != NULL)
        list = presenter->list(presenter->arg, topic_of(waiting));
    told = (struct told){waiting->topic_len, waiting->diff_len};
    bytes = anqa_arena_alloc(anqa_tmp(), sizeof told + told.topic_len + told.diff_len + list.len);
    memcpy(bytes, &told, sizeof told);
    memcpy(bytes + sizeof told, waiting->text, told.topic_len + told.diff_len);
    if (list.len > 0)
        memcpy(bytes + sizeof told + told.topic_len + told.diff_len, list.ptr, list.len);
    presenter->busy = anqa_request(presenter->pid, "diff",
        anqa_bytes(bytes, sizeof told + told.topic_len + told.diff_len + list.len));
}

/* It is too slow, or hangs: nobody waits for its end. */
static void give_up(struct presenter *presenter)
{
    anqa_log(ANQA_WARN, "presence.hooks", "presence=%s error=\"too slow\" next=killed",
        presenter->spec->name);
    anqa_request_cancel(presenter->busy);
    presenter->busy.bits = 0;
    anqa_unlink(presenter->pid);
    anqa_exit_signal(presenter->pid, ANQA_KILL);
    presenter->pid = (anqa_pid){0};
    tell_all_as_they_are(presenter);
}

/* Without memory the presence crashes, as anqa/presence.h says: to make the diff anew would take memory, too. */
static void wait_in_turn(struct presenter *presenter, anqa_str topic, anqa_json diff, uint64_t rest)
{
    struct waiting *waiting = malloc(sizeof *waiting + topic.len + diff.len);

    ANQA_REQUIRE(waiting != NULL && "memory for a diff");
    waiting->rest = rest;
    waiting->topic_len = (uint32_t)topic.len;
    waiting->diff_len = (uint32_t)diff.len;
    memcpy(waiting->text, topic.ptr, topic.len);
    memcpy(waiting->text + topic.len, diff.ptr, diff.len);
    anqa_list_push(&presenter->waiting, &waiting->node);
    presenter->count++;
}

void presenter_tell(struct presenter *presenter, anqa_str topic, anqa_json diff)
{
    bool alone = presenter->spec->fetch == NULL && presenter->spec->handle_metas == NULL;
    uint64_t rest = PUBSUB_ALL;

    if (alone && presenter->count == 0 && broadcast(topic, diff, &rest))
        return;
    wait_in_turn(presenter, topic, diff, rest);
    if (presenter->stuck)
        return;
    if (alone)
        tell_all_as_they_are(presenter);
    else if (presenter->count == 1)
        ask_next(presenter);
    else if (presenter->count > DIFFS_MAX)
        give_up(presenter);
}

bool presenter_takes(struct presenter *presenter, const anqa_msg *msg)
{
    bool ended = msg->kind == ANQA_MSG_EXIT && !anqa_pid_is_none(presenter->pid) &&
                 anqa_pid_eq(msg->from, presenter->pid);

    if (ended && presenter->busy.bits == 0)
        presenter->pid = (anqa_pid){0};
    if (presenter->busy.bits == 0 || !anqa_ref_eq(msg->ref, presenter->busy) ||
        (msg->kind != ANQA_MSG_REPLY && msg->kind != ANQA_MSG_DOWN))
        return ended; /* while it is busy, its DOWN says the same */
    presenter->busy.bits = 0;
    if (msg->kind == ANQA_MSG_DOWN) {
        anqa_unlink(presenter->pid);
        presenter->pid = (anqa_pid){0};
        tell_all_as_they_are(presenter);
        return true;
    }
    drop_first(presenter);
    ask_next(presenter);
    return true;
}
