/* Who is in which room: Presence, with the names as keys. A name that several windows have is there once, with a meta for each. */
#include "chat.h"

const anqa_presence who = {.name = "who"};

void who_enter(anqa_socket *socket, anqa_str name)
{
    char pid[ANQA_PID_TEXT];
    anqa_json meta = anqa_jsonf("{'id': %s}", anqa_pid_text(anqa_self(), pid));

    ANQA_REQUIRE(anqa_presence_track(&who, socket, name, meta) == ANQA_OK);
    ANQA_REQUIRE(anqa_presence_push_state(&who, socket) == ANQA_OK);
}

anqa_json who_is_in(anqa_str topic)
{
    anqa_json_writer *w = anqa_arena_alloc(anqa_tmp(), sizeof *w);
    anqa_json_iter it;
    anqa_json all, names;

    ANQA_REQUIRE(anqa_presence_list(&who, topic, &all) == ANQA_OK);
    anqa_json_writer_init(w, anqa_tmp(), 0);
    anqa_json_begin_array(w);
    for (it = anqa_json_each(all); anqa_json_next(&it);)
        anqa_json_put_raw(w, it.key);
    anqa_json_end_array(w);
    ANQA_REQUIRE(anqa_json_writer_finish(w, &names) == ANQA_OK);
    return names;
}
