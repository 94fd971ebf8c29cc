/* A socket of channels as it is carried. */
#include "channel/carried.h"

#include "channel/socket.h"

static anqa_status open_socket(const struct transport *transport, void *link,
    const struct admission *admission, const struct socket_mount *mount, void **ret_user)
{
    struct socket *socket;
    anqa_status status = socket_new(transport, link, admission, mount, &socket);

    if (status == ANQA_OK)
        *ret_user = socket;
    return status;
}

static void attach(void *user, void *link)
{
    ((struct socket *)user)->link = link;
}

static void message(void *user, bool binary, anqa_str data)
{
    socket_message(user, binary, data);
}

static void closed(void *user)
{
    socket_closed(user);
}

static void drain(void *user, uint16_t code)
{
    socket_drain(user, code);
}

static void expire(void *user)
{
    socket_expire(user);
}

const struct carried carried_socket = {.open = open_socket,
    .attach = attach,
    .message = message,
    .closed = closed,
    .drain = drain,
    .expire = expire};
