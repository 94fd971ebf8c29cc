#include "cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define ROOM_MIN ((size_t)16 << 10)

/* ---------------------------------------------------------------- the connection */

int client_open(struct client *client, struct cli *cli, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    int errnum;

    if (len >= sizeof address.sun_path)
        return ENAMETOOLONG;
    memcpy(address.sun_path, path, len + 1);
    *client = (struct client){.cli = cli,
        .path = path,
        .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (client->fd < 0)
        return errno;
    /* Not blocking: a program that hangs lets its queue of connections run full. */
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        fcntl(client->fd, F_SETFL, 0) == 0)
        return 0;
    errnum = errno;
    close(client->fd);
    return errnum;
}

void client_close(struct client *client)
{
    close(client->fd);
    free(client->bytes);
}

static bool send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return false;
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

bool client_send_line(struct client *client, anqa_json line)
{
    char *bytes = anqa_arena_copy(&client->cli->arena, line.ptr, line.len);

    bytes[line.len] = '\n'; /* in place of the NUL */
    return send_all(client->fd, bytes, line.len + 1);
}

bool client_send(struct client *client, const char *op, anqa_json args)
{
    return client_send_line(
        client, json_make(client->cli, "{'id': %" PRIu64 ", 'op': %s, 'args': %p}",
                    ++client->last_id, op, (const void *)&args));
}

/* ---------------------------------------------------------------- lines */

static bool make_room(struct client *client)
{
    size_t cap = client->cap == 0 ? ROOM_MIN : client->cap * 2;
    char *bytes;

    if (client->at > 0) {
        memmove(client->bytes, client->bytes + client->at, client->len);
        client->at = 0;
    }
    if (client->len < client->cap)
        return true;
    if (cap > CLIENT_LINE_MAX)
        return false;
    bytes = realloc(client->bytes, cap);
    if (bytes == NULL)
        return false;
    client->bytes = bytes;
    client->cap = cap;
    return true;
}

bool client_fill(struct client *client)
{
    ssize_t n;

    if (!make_room(client))
        return false;
    n = recv(client->fd, client->bytes + client->len, client->cap - client->len, MSG_DONTWAIT);
    if (n > 0)
        client->len += (size_t)n;
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

bool client_next(struct client *client, anqa_json *ret_json)
{
    static const anqa_json_limits limits = {.max_bytes = CLIENT_LINE_MAX};
    const char *begin = client->bytes + client->at;
    const char *end = client->len == 0 ? NULL : memchr(begin, '\n', client->len);

    *ret_json = (anqa_json){0};
    if (end == NULL)
        return true;
    client->at += (size_t)(end + 1 - begin);
    client->len -= (size_t)(end + 1 - begin);
    return anqa_json_parse(anqa_str_make(begin, (size_t)(end - begin)), &limits, ret_json, NULL) ==
               ANQA_OK &&
           anqa_json_type_of(*ret_json) == ANQA_JSON_IS_OBJECT;
}

bool client_hear(struct client *client, int timeout_ms, anqa_json *ret_json)
{
    uint64_t deadline = clock_mono_ms() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms);
    struct pollfd wait = {.fd = client->fd, .events = POLLIN};
    bool is_there = true;

    for (;;) {
        uint64_t now = clock_mono_ms();
        if (!client_next(client, ret_json))
            return false;
        if (ret_json->len > 0)
            return true;
        if (!is_there || (timeout_ms >= 0 && now >= deadline))
            return false;
        if (poll(&wait, 1, timeout_ms < 0 ? -1 : (int)(deadline - now)) > 0)
            is_there = client_fill(client);
    }
}

/* ---------------------------------------------------------------- questions */

anqa_json json_make(struct cli *cli, const char *format, ...)
{
    anqa_json_writer *w = anqa_arena_alloc(&cli->arena, sizeof *w);
    anqa_json json = ANQA_JSON_NULL;
    va_list args;

    anqa_json_writer_init(w, &cli->arena, 0);
    va_start(args, format);
    anqa_json_vformat(w, format, args);
    va_end(args);
    if (anqa_json_writer_finish(w, &json) != ANQA_OK)
        cli_quit(CLI_USAGE, "an argument is not UTF-8");
    return json;
}

enum cli_status client_answer(anqa_json line, struct cli *cli, anqa_json *ret_answer)
{
    anqa_json found;

    if (anqa_json_get(line, "ok", &found) == ANQA_OK) {
        *ret_answer = (anqa_json){anqa_arena_copy(&cli->arena, found.ptr, found.len), found.len};
        return CLI_OK;
    }
    if (anqa_json_get(line, "error", &found) != ANQA_OK)
        return cli_fail(CLI_UNREACHABLE, "the program answers with something else");
    anqa_str message = field_text(cli, found, "message");
    anqa_str code = field_text(cli, found, "code");
    return cli_fail(CLI_FAILED, "%.*s (%.*s)", ANQA_FMT(message), ANQA_FMT(code));
}

enum cli_status client_ask(
    struct client *client, const char *op, anqa_json args, anqa_json *ret_answer)
{
    anqa_json line;

    if (!client_send(client, op, args) || !client_hear(client, CLIENT_WAIT_MS, &line))
        return cli_fail(CLI_UNREACHABLE, "the program at %s does not answer", client->path);
    return client_answer(line, client->cli, ret_answer);
}

enum cli_status ask_and_show(struct cli *cli, const char *op, anqa_json args,
    void (*show)(struct cli *cli, anqa_json answer))
{
    struct client client;
    anqa_json answer = ANQA_JSON_NULL;
    enum cli_status status = client_find(&client, cli);

    if (status != CLI_OK)
        return status;
    status = client_ask(&client, op, args, &answer);
    client_close(&client);
    if (status != CLI_OK)
        return status;
    if (cli->json)
        json_print(stdout, answer);
    else
        show(cli, answer);
    return CLI_OK;
}
