/* The state of a tracker by itself, and the messages that carry it. */
#include "presence/sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/container.h"

#define T "room:a"
#define META "{\"phx_ref\":\"1\"}"

static anqa_str str(const char *text)
{
    return anqa_str_of(text);
}

static struct presence_state state;

static void begin_with(const struct presence_limits *limits)
{
    static const struct replica_id self = {.name = {"me", 2}, .started = 5, .nonce = 6};

    CHECK_STATUS(state_init(&state, &self, limits), ANQA_OK);
}

/* What was mentioned, as "+key -key ". */
static char mentioned[400];

static void note(char sign, const struct presence_elem *elem)
{
    size_t len = strlen(mentioned);

    snprintf(mentioned + len, sizeof mentioned - len, "%c%.*s ", sign, ANQA_FMT(elem->group->key));
}

static bool note_topic(void *arg, const struct presence_topic *topic)
{
    for (struct anqa_list_node *node = anqa_list_first(&topic->joined); node != NULL;
        node = anqa_list_next(&topic->joined, node))
        note('+', ANQA_CONTAINER_OF(node, struct presence_elem, joining));
    for (struct anqa_list_node *node = anqa_list_first(&topic->left); node != NULL;
        node = anqa_list_next(&topic->left, node))
        note('-', ANQA_CONTAINER_OF(node, struct presence_elem, leaving));
    return true;
}

static const char *changes(void)
{
    mentioned[0] = '\0';
    state_flush(&state, note_topic, NULL);
    return mentioned;
}

static const char *list(const char *topic)
{
    static char text[4000];
    anqa_buf buf;

    CHECK_STATUS(state_list(&state, str(topic), &buf), ANQA_OK);
    snprintf(text, sizeof text, "%.*s", (int)buf.len, buf.ptr);
    anqa_buf_unref(buf);
    return text;
}

TEST(metas_of_one_key_stand_together_in_the_order_in_which_they_came)
{
    anqa_buf one;

    begin_with(NULL);
    CHECK_STR(list(T), "{}");
    CHECK_STATUS(state_join(&state, 1, str(T), str("a"), str("{\"n\":1}")), ANQA_OK);
    CHECK_STATUS(state_join(&state, 1, str(T), str("\"\n"), str("{\"n\":2}")), ANQA_OK);
    CHECK_STATUS(state_join(&state, 2, str(T), str("a"), str("{\"n\":3}")), ANQA_OK);
    CHECK_STATUS(state_join(&state, 2, str("other"), str("a"), str("{\"n\":4}")), ANQA_OK);
    CHECK_STR(
        list(T), "{\"a\":{\"metas\":[{\"n\":1},{\"n\":3}]},\"\\\"\\n\":{\"metas\":[{\"n\":2}]}}");
    CHECK_STATUS(state_list_key(&state, str(T), str("a"), &one), ANQA_OK);
    CHECK_STR(anqa_buf_str(one), "{\"metas\":[{\"n\":1},{\"n\":3}]}");
    anqa_buf_unref(one);
    CHECK_STATUS(state_list_key(&state, str(T), str("b"), &one), ANQA_E_NOT_FOUND);
    CHECK_STATUS(state_list_key(&state, str("none"), str("a"), &one), ANQA_E_NOT_FOUND);
    CHECK_STR(changes(), "+a +\"\n +a +a ");
    state_leave_all(&state, 1);
    CHECK_STR(list(T), "{\"a\":{\"metas\":[{\"n\":3}]}}");
    CHECK_STR(changes(), "-a -\"\n ");
    state_leave_all(&state, 2);
    CHECK_STR(changes(), "-a -a ");
    CHECK_EQ(state.topics.count, 0);
    state_done(&state);
}

TEST(one_process_is_tracked_once_under_a_key_of_a_topic)
{
    begin_with(NULL);
    CHECK_STATUS(state_join(&state, 1, str(T), str("a"), str(META)), ANQA_OK);
    CHECK_STATUS(state_join(&state, 1, str(T), str("a"), str(META)), ANQA_E_EXISTS);
    CHECK_STATUS(state_join(&state, 1, str(T), str("b"), str(META)), ANQA_OK);
    CHECK_STATUS(state_join(&state, 2, str(T), str("a"), str(META)), ANQA_OK);
    CHECK(state_find(&state, 3, str(T), str("a")) == NULL);
    state_leave(&state, state_find(&state, 1, str(T), str("a")));
    CHECK(state_find(&state, 1, str(T), str("a")) == NULL);
    CHECK(state_owns(&state, 1));
    state_leave(&state, state_find(&state, 1, str(T), str("b")));
    CHECK(!state_owns(&state, 1));
    state_done(&state);
}

static void update(const char *meta)
{
    CHECK_STATUS(state_update(&state, state_find(&state, 1, str(T), str("a")), str(meta)), ANQA_OK);
}

TEST(an_update_is_a_join_and_a_leave_at_once)
{
    begin_with(NULL);
    CHECK_STATUS(state_join(&state, 1, str(T), str("a"), str(META)), ANQA_OK);
    CHECK_STR(changes(), "+a ");
    update("{\"n\":2}");
    CHECK_STR(list(T), "{\"a\":{\"metas\":[{\"n\":2}]}}");
    CHECK_STR(changes(), "+a -a ");
    state_done(&state);
}

TEST(what_came_and_went_before_anybody_could_hear_of_it_is_not_mentioned)
{
    anqa_buf one;

    begin_with(NULL);
    CHECK_STATUS(state_join(&state, 1, str(T), str("b"), str(META)), ANQA_OK);
    state_leave(&state, state_find(&state, 1, str(T), str("b")));
    CHECK_STR(changes(), "");
    CHECK_EQ(state.topics.count, 0);
    CHECK_STATUS(state_join(&state, 1, str(T), str("a"), str(META)), ANQA_OK);
    update("{\"n\":2}");
    update("{\"n\":3}");
    CHECK_STR(changes(), "+a ");
    update("{\"n\":4}");
    update("{\"n\":5}");
    CHECK_STR(changes(), "+a -a ");
    CHECK_STATUS(state_join(&state, 1, str(T), str("b"), str(META)), ANQA_OK);
    (void)list(T);
    state_leave(&state, state_find(&state, 1, str(T), str("b")));
    CHECK_STR(changes(), "+b -b ");
    CHECK_STATUS(state_join(&state, 1, str(T), str("b"), str(META)), ANQA_OK);
    CHECK_STATUS(state_list_key(&state, str(T), str("b"), &one), ANQA_OK);
    anqa_buf_unref(one);
    state_leave(&state, state_find(&state, 1, str(T), str("b")));
    CHECK_STR(changes(), "+b -b ");
    state_done(&state);
}

TEST(so_many_presences_as_a_process_or_a_topic_may_have_and_no_more)
{
    struct presence_limits limits = {.per_topic = 3, .per_owner = 2};

    begin_with(&limits);
    CHECK_STATUS(state_join(&state, 1, str(T), str("a"), str(META)), ANQA_OK);
    CHECK_STATUS(state_join(&state, 1, str(T), str("b"), str(META)), ANQA_OK);
    CHECK_STATUS(state_join(&state, 1, str("x"), str("c"), str(META)), ANQA_E_LIMIT);
    CHECK_STATUS(state_join(&state, 2, str(T), str("c"), str(META)), ANQA_OK);
    CHECK_STATUS(state_join(&state, 3, str(T), str("d"), str(META)), ANQA_E_LIMIT);
    CHECK_EQ(state.topics.count, 1);
    CHECK_EQ(state.owners.count, 2);
    CHECK_STATUS(state_update(&state, state_find(&state, 1, str(T), str("a")), str(META)), ANQA_OK);
    state_leave_all(&state, 1);
    CHECK_STATUS(state_join(&state, 3, str(T), str("d"), str(META)), ANQA_OK);
    state_done(&state);
}

/* ---------------------------------------------------------------- sections by hand */

static const struct replica_id far = {.name = {"far", 3}, .started = 1, .nonce = 2};

static struct section_entry entry(uint64_t tag, const char *key)
{
    return (struct section_entry){tag, tag, str(T), str(key), str(META)};
}

static enum applied apply(uint64_t since, uint64_t clock, uint64_t after, uint64_t to,
    const struct section_entry *here, size_t count)
{
    struct section section = {far, since, clock, after, to, NULL, 0, here, count};

    return state_apply(&state, &section);
}

TEST(a_part_does_not_count_when_another_section_has_come_between)
{
    struct replica *replica;
    struct section_entry ghost = entry(50, "ghost"), stays = entry(70, "stays");

    begin_with(NULL);
    CHECK_STATUS(state_replica_add(&state, &far, &replica), ANQA_OK);
    CHECK_EQ(apply(0, 40, 0, 40, NULL, 0), APPLIED_NEWS);
    CHECK_EQ(apply(0, 100, 0, 55, NULL, 0), APPLIED_NEWS);    /* as of 100 the ghost is gone */
    CHECK_EQ(apply(40, 60, 40, 60, &ghost, 1), APPLIED_NEWS); /* as of 60 it was there */
    CHECK_EQ(apply(0, 100, 55, 100, &stays, 1), APPLIED_GAP);
    CHECK_EQ(replica->clock, 60);
    CHECK_EQ(apply(0, 100, 0, 55, NULL, 0), APPLIED_NEWS);
    CHECK_EQ(apply(0, 100, 55, 100, &stays, 1), APPLIED_NEWS);
    CHECK_EQ(replica->clock, 100);
    CHECK_STR(list(T), "{\"stays\":{\"metas\":[" META "]}}");
    state_done(&state);
}

TEST(sections_with_a_gap_of_strangers_and_of_ourselves_change_nothing)
{
    struct section_entry a = entry(3, "a");
    struct section own = {.clock = 9, .to = 9};
    struct replica *replica;

    begin_with(NULL);
    own.of = state.self->id;
    CHECK_EQ(apply(0, 5, 0, 5, &a, 1), APPLIED_NOBODY);
    CHECK_STATUS(state_replica_add(&state, &far, &replica), ANQA_OK);
    CHECK_EQ(apply(2, 5, 2, 5, &a, 1), APPLIED_GAP);
    CHECK_EQ(state_apply(&state, &own), APPLIED_NOBODY);
    CHECK_EQ(apply(0, 5, 0, 5, &a, 1), APPLIED_NEWS);
    CHECK_EQ(apply(0, 5, 0, 5, NULL, 0), APPLIED_STALE);
    CHECK_STR(changes(), "+a ");
    state_replica_drop(&state, replica);
    CHECK_STR(changes(), "-a ");
    CHECK_EQ(state.topics.count, 0);
    state_done(&state);
}

TEST(who_went_and_came_back_has_joined)
{
    struct section_entry a = entry(3, "a");
    struct replica *replica;

    begin_with(NULL);
    CHECK_STATUS(state_replica_add(&state, &far, &replica), ANQA_OK);
    CHECK_EQ(apply(0, 5, 0, 5, &a, 1), APPLIED_NEWS);
    CHECK_STR(changes(), "+a ");
    state_replica_set_up(&state, replica, false);
    state_replica_set_up(&state, replica, true);
    CHECK_STR(changes(), "+a ");
    state_replica_set_up(&state, replica, false);
    CHECK_STR(changes(), "-a ");
    state_replica_set_up(&state, replica, true);
    state_replica_set_up(&state, replica, false);
    CHECK_STR(changes(), "");
    state_replica_set_up(&state, replica, true);
    (void)list(T);
    state_replica_set_up(&state, replica, false);
    CHECK_STR(changes(), "+a -a ");
    state_replica_set_up(&state, replica, true);
    CHECK_STR(changes(), "+a ");
    state_replica_set_up(&state, replica, false);
    CHECK_STR(changes(), "-a ");
    state_replica_drop(&state, replica);
    CHECK_STR(changes(), "");
    state_done(&state);
}

TEST(a_list_of_a_key_shows_those_that_are_in_it_only)
{
    struct section_entry a = entry(3, "a");
    struct replica *replica;
    anqa_buf one;

    begin_with(NULL);
    CHECK_STATUS(state_join(&state, 1, str(T), str("a"), str(META)), ANQA_OK);
    CHECK_STR(changes(), "+a ");
    CHECK_STATUS(state_replica_add(&state, &far, &replica), ANQA_OK);
    CHECK_EQ(apply(0, 5, 0, 5, &a, 1), APPLIED_NEWS);
    state_replica_set_up(&state, replica, false);
    CHECK_STATUS(state_list_key(&state, str(T), str("a"), &one), ANQA_OK);
    CHECK_STR(anqa_buf_str(one), "{\"metas\":[" META "]}");
    anqa_buf_unref(one);
    state_replica_set_up(&state, replica, true);
    state_replica_set_up(&state, replica, false);
    CHECK_STR(changes(), ""); /* nobody has seen it */
    state_done(&state);
}

TEST(another_replica_may_have_so_much_and_what_was_taken_stays_right)
{
    struct presence_limits limits = {.remote = 2};
    struct section_entry three[] = {entry(1, "a"), entry(2, "b"), entry(3, "c")};
    struct replica *replica;

    begin_with(&limits);
    CHECK_STATUS(state_replica_add(&state, &far, &replica), ANQA_OK);
    CHECK_EQ(apply(0, 3, 0, 3, three, 3), APPLIED_LIMIT);
    CHECK_EQ(replica->count, 2);
    CHECK_EQ(replica->clock, 0);
    CHECK_EQ(apply(0, 4, 0, 4, three + 1, 2), APPLIED_NEWS); /* a has left meanwhile */
    CHECK_EQ(replica->clock, 4);
    CHECK_STR(list(T), "{\"b\":{\"metas\":[" META "]},\"c\":{\"metas\":[" META "]}}");
    state.limits.remote = 100;
    state.limits.remote_bytes = 1;
    CHECK_EQ(apply(4, 9, 4, 9, &(struct section_entry){9, 9, str(T), str("d"), str(META)}, 1),
        APPLIED_LIMIT);
    state_done(&state);
}

TEST(so_many_replicas_as_there_may_be)
{
    struct replica *replica;
    char name[16];

    begin_with(NULL);
    for (unsigned i = 1; i < PRESENCE_REPLICAS_MAX; i++) {
        snprintf(name, sizeof name, "n%u", i);
        CHECK_STATUS(
            state_replica_add(&state, &(struct replica_id){.name = str(name)}, &replica), ANQA_OK);
    }
    CHECK_STATUS(state_replica_add(&state, &far, &replica), ANQA_E_LIMIT);
    state_done(&state);
}

static void fine_or_nomem(anqa_status status)
{
    CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
}

TEST(without_memory_an_operation_fails_and_nothing_else)
{
    struct section_entry two[] = {entry(1, "a"), entry(2, "b")};

    EACH_ALLOC_FAILURE {
        static const struct replica_id self = {.name = {"me", 2}};
        struct presence_elem *elem;
        struct replica *replica;
        anqa_buf text;
        if (state_init(&state, &self, NULL) != ANQA_OK)
            continue;
        fine_or_nomem(state_join(&state, 1, str(T), str("a"), str(META)));
        fine_or_nomem(state_join(&state, 2, str(T), str("a"), str(META)));
        elem = state_find(&state, 1, str(T), str("a"));
        if (elem != NULL)
            fine_or_nomem(state_update(&state, elem, str("{}")));
        if (state_replica_add(&state, &far, &replica) == ANQA_OK) {
            enum applied applied = apply(0, 2, 0, 2, two, 2);
            CHECK(applied == APPLIED_NEWS || applied == APPLIED_NOMEM);
            CHECK_EQ(replica->clock, applied == APPLIED_NEWS ? 2 : 0);
        }
        if (state_list(&state, str(T), &text) == ANQA_OK)
            anqa_buf_unref(text);
        state_leave_all(&state, 1);
        state_leave_all(&state, 2);
        CHECK(!state_owns(&state, 1) && !state_owns(&state, 2));
        state_done(&state);
    }
}

/* ---------------------------------------------------------------- messages */

static const struct {
    const char *text;
    anqa_status status;
} messages[] = {
    {"['n',1,2,[],[]]", ANQA_OK},
    {"['n',18446744073709551615,2,[['m',1,2,4611686018427387904]],[]]", ANQA_OK},
    {"['n',1,2,[],[['m',1,2, 1,5,1,5,[1],[[2,7,'t','k',{'phx_ref':'x'}]]]]]", ANQA_OK},
    {"['',1,2,[],[]]", ANQA_E_PARSE},
    {"['n',-1,2,[],[]]", ANQA_E_PARSE},
    {"['n',1,2.5,[],[]]", ANQA_E_PARSE},
    {"['n',1,2,[]]", ANQA_E_PARSE},
    {"{}", ANQA_E_PARSE},
    {"['n',1,2,{},[]]", ANQA_E_PARSE},
    {"['n',1,2,[['m',1,2]],[]]", ANQA_E_PARSE},
    {"['n',1,2,[['m',1,2,4611686018427387905]],[]]", ANQA_E_PARSE},
    {"['n',1,2,[],[['m',1,2, 2,5,1,5,[],[]]]]", ANQA_E_PARSE},  /* after < since */
    {"['n',1,2,[],[['m',1,2, 1,5,1,6,[],[]]]]", ANQA_E_PARSE},  /* to > clock */
    {"['n',1,2,[],[['m',1,2, 1,5,1,5,[2],[]]]]", ANQA_E_PARSE}, /* removed behind since */
    {"['n',1,2,[],[['m',1,2, 1,5,1,5,[],[[1,7,'t','k',{'phx_ref':'x'}]]]]]", ANQA_E_PARSE},
    {"['n',1,2,[],[['m',1,2, 1,5,1,5,[],[[6,7,'t','k',{'phx_ref':'x'}]]]]]", ANQA_E_PARSE},
    {"['n',1,2,[],[['m',1,2, 1,5,1,5,[],[[2,7,'','k',{'phx_ref':'x'}]]]]]", ANQA_E_PARSE},
    {"['n',1,2,[],[['m',1,2, 1,5,1,5,[],[[2,7,'t','k',{}]]]]]", ANQA_E_PARSE},
    {"['n',1,2,[],[['m',1,2, 1,5,1,5,[],[[2,7,'t','k',[]]]]]]", ANQA_E_PARSE},
    {"['n',1,2,[],[['m',1,2, "
     "1,5,1,5,[],[[3,7,'t','k',{'phx_ref':'x'}],[3,7,'t','l',{'phx_ref':'x'}]]]]]",
        ANQA_E_PARSE},
};

static anqa_json quoted(const char *text, char room[400])
{
    size_t len = strlen(text);

    for (size_t i = 0; i <= len; i++)
        room[i] = text[i] == '\'' ? '"' : text[i];
    return (anqa_json){room, len};
}

TEST(messages_that_are_none_are_refused_with_a_reason)
{
    for (size_t i = 0; i < ANQA_COUNT(messages); i++) {
        anqa_arena arena = {0};
        struct message message;
        char room[400];
        anqa_error err = {.text = ""};
        CHECK_STATUS(message_read(&arena, quoted(messages[i].text, room), &message, &err),
            messages[i].status, "%zu", i);
        CHECK_EQ(err.text[0] != '\0', messages[i].status != ANQA_OK, "%zu", i);
        anqa_arena_done(&arena);
    }
}

/* A message with so many numbers in one of its lists. */
static anqa_status read_many(size_t clocks, size_t gone)
{
    anqa_arena arena = {0};
    struct message message, read;
    struct replica_clock *all = calloc(clocks + 1, sizeof *all);
    uint64_t *tags = calloc(gone + 1, sizeof *tags);
    struct section section = {far, 1, 1, 1, 1, tags, gone, NULL, 0};
    anqa_status status;
    anqa_json json;

    for (size_t i = 0; i < clocks; i++)
        all[i].id = far;
    message = (struct message){far, all, clocks, &section, 1};
    CHECK_STATUS(message_write(&arena, &message, &json), ANQA_OK);
    status = message_read(&arena, json, &read, NULL);
    anqa_arena_done(&arena);
    free(all);
    free(tags);
    return status;
}

TEST(a_message_holds_so_much_and_no_more)
{
    CHECK_STATUS(read_many(PRESENCE_REPLICAS_MAX, PRESENCE_REMOVALS_MAX), ANQA_OK);
    CHECK_STATUS(read_many(PRESENCE_REPLICAS_MAX + 1, 0), ANQA_E_LIMIT);
    CHECK_STATUS(read_many(0, PRESENCE_REMOVALS_MAX + 1), ANQA_E_LIMIT);
}
