/* What the files of the chat room share. */
#ifndef CHAT_H
#define CHAT_H

#include <anqa/anqa.h>

/* Who is in which room, by name, until the channel ends. */
extern const anqa_presence who;
/* The calling channel is in its room as `name` from now on; its client is told who else is. */
void who_enter(anqa_socket *socket, anqa_str name);
/* The names in a room as a JSON array, without repetition; lives as long as the event. */
anqa_json who_is_in(anqa_str topic);

/* Broadcasts the supervision tree below `app` on the topic "tree" whenever it changes. */
extern const anqa_gen_server tree_server;
/* The tree as it is now: {"text", "nodes"}. */
anqa_json tree_now(const anqa_app *app);

#endif
