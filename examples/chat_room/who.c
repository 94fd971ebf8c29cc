/* Who is in which room: one server that monitors the channels. */
#include "chat.h"

#include <stdlib.h>

struct person {
    struct person *next;
    anqa_ref channel; /* our monitor of it */
    anqa_str topic, name;
    char text[];
};

enum { CORRIDORS = 1024 };

struct who {
    struct person *corridors[CORRIDORS]; /* people, by a hash of their room */
};

static struct person **corridor_of(struct who *who, anqa_str topic)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < topic.len; i++)
        hash = (hash ^ (unsigned char)topic.ptr[i]) * 16777619u;
    return &who->corridors[hash % CORRIDORS];
}

/* Whether an earlier one in the corridor has the same name in the same room. */
static bool seen_before(const struct person *first, const struct person *person)
{
    for (; first != person; first = first->next)
        if (anqa_str_eq(first->topic, person->topic) && anqa_str_eq(first->name, person->name))
            return true;
    return false;
}

static anqa_json names_in(struct who *who, anqa_str topic)
{
    anqa_json_writer *w = anqa_arena_alloc(anqa_tmp(), sizeof *w);
    const struct person *first = *corridor_of(who, topic);
    anqa_json names;

    anqa_json_writer_init(w, anqa_tmp(), 0);
    anqa_json_begin_array(w);
    for (const struct person *person = first; person != NULL; person = person->next)
        if (anqa_str_eq(person->topic, topic) && !seen_before(first, person))
            anqa_json_put_str(w, person->name);
    anqa_json_end_array(w);
    ANQA_REQUIRE(anqa_json_writer_finish(w, &names) == ANQA_OK);
    return names;
}

static void tell(struct who *who, anqa_str topic)
{
    anqa_json names = names_in(who, topic);

    anqa_broadcast(topic, "who", anqa_jsonf("{'names': %p}", &names));
}

static anqa_next enter(void *state, anqa_msg *msg)
{
    struct who *who = state;
    anqa_str topic = anqa_json_str(msg->body, "topic"), name = anqa_json_str(msg->body, "name");
    struct person *person = anqa_heap_alloc(sizeof *person + topic.len + name.len);
    struct person **corridor = corridor_of(who, topic);

    memcpy(person->text, topic.ptr, topic.len);
    memcpy(person->text + topic.len, name.ptr, name.len);
    person->topic = anqa_str_make(person->text, topic.len);
    person->name = anqa_str_make(person->text + topic.len, name.len);
    person->channel = anqa_monitor(msg->from);
    person->next = *corridor;
    *corridor = person;
    tell(who, topic);
    return anqa_reply(ANQA_JSON_NULL);
}

static anqa_next names(void *state, anqa_msg *msg)
{
    return anqa_reply(names_in(state, anqa_json_str(msg->body, "topic")));
}

static struct person **find(struct who *who, anqa_ref channel)
{
    for (size_t i = 0; i < CORRIDORS; i++)
        for (struct person **link = &who->corridors[i]; *link != NULL; link = &(*link)->next)
            if (anqa_ref_eq((*link)->channel, channel))
                return link;
    return NULL;
}

static anqa_next channel_down(void *state, anqa_msg *msg)
{
    struct person **link = find(state, msg->ref), *person;

    if (link != NULL) {
        person = *link;
        *link = person->next;
        tell(state, person->topic);
        anqa_heap_free(person);
    }
    return anqa_noreply();
}

const anqa_gen_server who_server = {
    .name = "who",
    .state_size = sizeof(struct who),
    .handle_call = (const anqa_handler[]){{"enter", enter}, {"names", names}, {0}},
    .handle_info = (const anqa_handler[]){{"DOWN", channel_down}, {0}},
};

void who_enter(anqa_str topic, anqa_str name)
{
    anqa_call(anqa_whereis("who"), "enter",
        anqa_jsonf("{'topic': %.*s, 'name': %.*s}", ANQA_FMT(topic), ANQA_FMT(name)),
        ANQA_CALL_TIMEOUT_MS);
}

anqa_json who_is_in(anqa_str topic)
{
    return anqa_call(anqa_whereis("who"), "names", anqa_jsonf("{'topic': %.*s}", ANQA_FMT(topic)),
        ANQA_CALL_TIMEOUT_MS);
}
