/* nghttp2's own server as a child: files, over HTTP/2 only. */
#include "servers.h"

const char nghttpd_program[] = "/usr/sbin/nghttpd";

bool nghttpd_start(struct server *server)
{
    char *argv[] = {(char *)nghttpd_program, (char *)"--no-tls", (char *)"-a", (char *)"127.0.0.1",
        (char *)"-d", server->folder, server->port, NULL};

    return !server->tls && peer_start(server, argv, NULL);
}
