/* nginx as a child, with a prefix and a configuration of its own: nothing of the system's is read or written. */
#include "servers.h"

const char nginx_program[] = "/usr/sbin/nginx";

/**
 * One process, which ends with us whatever ends us: a worker would outlive a master that is killed. The variable is in the
 * text so that nginx, too, makes its JSON for each request.
 */
static const char configuration[] =
    "daemon off;\n"
    "master_process off;\n"
    "worker_rlimit_nofile 4096;\n"
    "pid nginx.pid;\n"
    "error_log error.log;\n"
    "events { worker_connections 2048; multi_accept on; }\n"
    "http {\n"
    "  access_log off;\n"
    "  sendfile on;\n"
    "  tcp_nopush on;\n"
    "  keepalive_requests 1000000000;\n"
    "  open_file_cache max=100 inactive=60s;\n"
    "  open_file_cache_valid 60s;\n"
    "  client_body_temp_path body;\n"
    "  proxy_temp_path proxy;\n"
    "  fastcgi_temp_path fastcgi;\n"
    "  uwsgi_temp_path uwsgi;\n"
    "  scgi_temp_path scgi;\n"
    "  server {\n"
    "    listen 127.0.0.1:%s%s;\n"
    "%s"
    "    location = /text { default_type \"text/plain; charset=utf-8\"; return 200 'hello'; }\n"
    "    location = /json {\n"
    "      default_type \"application/json; charset=utf-8\";\n"
    "      return 200 '{\"message\":\"hello\",\"path\":\"$uri\"}';\n"
    "    }\n"
    "    location /files/ { root %s; }\n"
    "    location /anew/ { alias %s/files/; open_file_cache off; }\n"
    "  }\n"
    "}\n";

static const char tls_configuration[] = "    ssl_certificate cert.pem;\n"
                                        "    ssl_certificate_key key.pem;\n"
                                        "    ssl_protocols TLSv1.2 TLSv1.3;\n";

static bool write_configuration(const struct server *server)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/nginx.conf", server->folder);
    file = fopen(path, "we");
    if (file == NULL)
        return false;
    fprintf(file, configuration, server->port, server->tls ? " ssl http2" : "",
        server->tls ? tls_configuration : "", server->folder, server->folder);
    return fclose(file) == 0;
}

bool nginx_start(struct server *server)
{
    char prefix[sizeof(server->folder) + 1];
    char *argv[] = {(char *)nginx_program, (char *)"-p", prefix, (char *)"-c", (char *)"nginx.conf",
        (char *)"-e", (char *)"error.log", NULL};

    snprintf(prefix, sizeof(prefix), "%s/", server->folder);
    return peer_start(server, argv, write_configuration);
}
