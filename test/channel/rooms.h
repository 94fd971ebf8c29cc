/* Rooms that do what a client tells them: the channels of most tests of this area. */
#ifndef TEST_CHANNEL_ROOMS_H
#define TEST_CHANNEL_ROOMS_H

#include "channel/client.h"

#define OK(fields) "\"phx_reply\",{\"status\":\"ok\",\"response\":" fields "}]"
#define ERROR(fields) "\"phx_reply\",{\"status\":\"error\",\"response\":" fields "}]"

#define UNMATCHED ERROR("{\"reason\":\"unmatched topic\"}")
#define CRASHED "[\"1\",\"1\",\"room:a\",\"phx_error\",{\"reason\":\"channel_crash\"}]"

/* Topics "room:*", "exact" and "any:*". */
extern const anqa_endpoint rooms_endpoint;
/* Of its mounts. A client's name is its parameter `name`, its id is "users:" and that. */
extern const anqa_user_socket rooms_socket;

/* A server with the rooms and a client of it; _joined: which is in "room:a" with the join_ref "1". */
struct client rooms_begin(void);
struct client rooms_begin_joined(void);
void rooms_end(struct client client);

/* The process of a channel of the client. */
anqa_pid rooms_channel(struct client client, const char *join_ref, const char *topic);
/* That of "room:a", joined as "1", which waits from now on until it is told "go"; the answer then has the ref "w". */
anqa_pid rooms_channel_that_waits(struct client client);

#endif
