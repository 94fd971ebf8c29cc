/* Who is in which room: one server that monitors the channels. */
#include "chat.h"

#include <stdlib.h>

struct person {
    struct person *next;
    anqa_ref channel; /* our monitor of it */
    anqa_str topic, name;
    char text[];
};

struct who {
    struct person *people;
};

/* Whether an earlier one in the list has the same name in the same room. */
static bool seen_before(const struct who *who, const struct person *person)
{
    for (const struct person *other = who->people; other != person; other = other->next)
        if (anqa_str_eq(other->topic, person->topic) && anqa_str_eq(other->name, person->name))
            return true;
    return false;
}

static anqa_json names_in(const struct who *who, anqa_str topic)
{
    anqa_json_writer *w = anqa_arena_alloc(anqa_tmp(), sizeof *w);
    anqa_json names;

    anqa_json_writer_init(w, anqa_tmp(), 0);
    anqa_json_begin_array(w);
    for (const struct person *person = who->people; person != NULL; person = person->next)
        if (anqa_str_eq(person->topic, topic) && !seen_before(who, person))
            anqa_json_put_str(w, person->name);
    anqa_json_end_array(w);
    ANQA_REQUIRE(anqa_json_writer_finish(w, &names) == ANQA_OK);
    return names;
}

static void tell(const struct who *who, anqa_str topic)
{
    anqa_json names = names_in(who, topic);

    anqa_broadcast(topic, "who", anqa_jsonf("{'names': %p}", &names));
}

static anqa_next enter(void *state, anqa_msg *msg)
{
    struct who *who = state;
    anqa_str topic = anqa_json_str(msg->body, "topic"), name = anqa_json_str(msg->body, "name");
    struct person *person = anqa_heap_alloc(sizeof *person + topic.len + name.len);

    memcpy(person->text, topic.ptr, topic.len);
    memcpy(person->text + topic.len, name.ptr, name.len);
    person->topic = anqa_str_make(person->text, topic.len);
    person->name = anqa_str_make(person->text + topic.len, name.len);
    person->channel = anqa_monitor(msg->from);
    person->next = who->people;
    who->people = person;
    tell(who, topic);
    return anqa_reply(ANQA_JSON_NULL);
}

static anqa_next names(void *state, anqa_msg *msg)
{
    return anqa_reply(names_in(state, anqa_json_str(msg->body, "topic")));
}

static anqa_next channel_down(void *state, anqa_msg *msg)
{
    struct who *who = state;

    for (struct person **link = &who->people; *link != NULL; link = &(*link)->next) {
        struct person *person = *link;
        if (!anqa_ref_eq(person->channel, msg->ref))
            continue;
        *link = person->next;
        tell(who, person->topic);
        anqa_heap_free(person);
        break;
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
