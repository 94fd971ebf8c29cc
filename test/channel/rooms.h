/* Rooms that do what a client tells them: the channels of most tests of this area. */
#ifndef TEST_CHANNEL_ROOMS_H
#define TEST_CHANNEL_ROOMS_H

#include "channel/client.h"

#define OK(fields) "\"phx_reply\",{\"status\":\"ok\",\"response\":" fields "}]"
#define ERROR(fields) "\"phx_reply\",{\"status\":\"error\",\"response\":" fields "}]"

/* Topics "room:*", "exact" and "any:*". */
extern const anqa_endpoint rooms_endpoint;

#endif
