#include "net_server.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <anqa/net.h>

#include "http/websocket.h"

static _Atomic(unsigned) accepted, now;

struct served {
    void (*serve)(anqa_tcp tcp);
};

static void count_down(void *arg)
{
    atomic_fetch_sub(&now, 1);
}

static void run_connection(void *state)
{
    const struct served *served = state;
    const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
    anqa_tcp tcp;

    anqa_defer(count_down, NULL);
    if (anqa_tcp_take(msg, &tcp) == ANQA_OK)
        served->serve(tcp);
}

struct listening {
    struct served served;
    anqa_pid starter;
};

static void run_listener(void *state)
{
    const struct listening *listening = state;
    anqa_listener listener;
    anqa_tcp tcp;
    anqa_error err;
    char address[ANQA_ADDRESS_TEXT];

    CHECK_STATUS(anqa_listen(&(anqa_listen_spec){.address = "127.0.0.1:0"}, &listener, &err),
        ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_listener_address(listener, address), ANQA_OK);
    CHECK_STATUS(
        anqa_send(listening->starter, "port", anqa_bytes(address, strlen(address))), ANQA_OK);
    while (anqa_accept(listener, ANQA_INFINITY, &tcp, &err) == ANQA_OK) {
        anqa_pid pid;
        atomic_fetch_add(&accepted, 1);
        atomic_fetch_add(&now, 1);
        CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = run_connection,
                                    .arg = &listening->served,
                                    .arg_size = sizeof listening->served},
                         &pid, NULL),
            ANQA_OK);
        CHECK_STATUS(anqa_tcp_move(tcp, pid, "connection"), ANQA_OK);
    }
}

static bool is_port(const anqa_msg *msg, void *arg)
{
    return anqa_tag_is(msg->tag, "port");
}

uint16_t net_serve(void (*serve)(anqa_tcp tcp))
{
    struct listening listening = {{serve}, anqa_self()};
    const anqa_msg *msg;
    char text[ANQA_ADDRESS_TEXT] = "";
    anqa_pid pid;

    CHECK_STATUS(
        anqa_spawn(
            &(anqa_spawn_opts){
                .run = run_listener, .arg = &listening, .arg_size = sizeof listening, .link = true},
            &pid, NULL),
        ANQA_OK);
    msg = anqa_receive_if(is_port, NULL, LONG_MS);
    CHECK(msg != NULL && msg->body.len < sizeof text, "the server does not listen");
    memcpy(text, msg->body.ptr, msg->body.len);
    return (uint16_t)strtoul(strrchr(text, ':') + 1, NULL, 10);
}

unsigned net_accepted(void)
{
    return atomic_load(&accepted);
}

unsigned net_served_now(void)
{
    return atomic_load(&now);
}

/* ---------------------------------------------------------------- HTTP */

const char *net_read_head(anqa_tcp tcp)
{
    size_t size = 160 << 10, len = 0;
    char *head = anqa_arena_alloc(anqa_tmp(), size);

    while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0) {
        if (len + 1 == size || anqa_read_full(tcp, head + len, 1, LONG_MS, NULL) != ANQA_OK)
            anqa_exit(ANQA_NORMAL);
        len++;
    }
    head[len] = '\0';
    return head;
}

bool net_asks(const char *head, const char *start)
{
    return strncmp(head, start, strlen(start)) == 0;
}

const char *net_field(const char *head, const char *name)
{
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, strlen(name)) == 0) {
            const char *value = line + strlen(name);
            return anqa_tmp_copy(value, (size_t)(strstr(value, "\r\n") - value));
        }
    }
    return NULL;
}

void net_put(anqa_tcp tcp, const void *bytes, size_t len)
{
    if (anqa_write(tcp, bytes, len, LONG_MS, NULL) != ANQA_OK)
        anqa_exit(ANQA_NORMAL);
}

void net_say(anqa_tcp tcp, const char *text)
{
    net_put(tcp, text, strlen(text));
}

void net_get(anqa_tcp tcp, void *bytes, size_t len)
{
    if (len > 0 && anqa_read_full(tcp, bytes, len, LONG_MS, NULL) != ANQA_OK)
        anqa_exit(ANQA_NORMAL);
}

void net_answer(anqa_tcp tcp, const char *fields, const char *body)
{
    net_say(tcp, anqa_tmp_printf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%s\r\n%s", strlen(body),
                     fields, body));
}

/* ---------------------------------------------------------------- WebSocket */

void net_ws_accept(anqa_tcp tcp, const char *head, const char *fields)
{
    const char *key = net_field(head, "sec-websocket-key: ");
    char accept[WEBSOCKET_ACCEPT_LEN];

    if (key == NULL)
        anqa_exit(ANQA_NORMAL);
    websocket_accept_key(anqa_str_of(key), accept);
    net_say(tcp, anqa_tmp_printf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\nSec-WebSocket-Accept: %.*s\r\n%s\r\n",
                     WEBSOCKET_ACCEPT_LEN, accept, fields));
}

void net_ws_put(anqa_tcp tcp, unsigned first, const void *bytes, size_t len)
{
    char head[WEBSOCKET_HEAD_MAX];
    size_t head_len = websocket_write_frame_head(head, WEBSOCKET_TEXT, len);

    head[0] = (char)first;
    net_put(tcp, head, head_len);
    net_put(tcp, bytes, len);
}

char *net_ws_get(anqa_tcp tcp, unsigned *ret_first, size_t *ret_len)
{
    unsigned char head[2], more[8], mask[4];
    size_t len, bytes;
    char *payload;

    net_get(tcp, head, 2);
    if ((head[1] & 0x80) == 0)
        anqa_exit(anqa_error_reason("a client has not masked"));
    len = head[1] & 0x7f;
    bytes = len == 127 ? 8 : len == 126 ? 2 : 0;
    net_get(tcp, more, bytes);
    for (size_t i = 0; i < bytes; i++)
        len = (i == 0 ? 0 : len << 8) | more[i];
    net_get(tcp, mask, sizeof mask);
    payload = anqa_arena_alloc(anqa_tmp(), len + 1);
    net_get(tcp, payload, len);
    websocket_mask(payload, len, mask);
    payload[len] = '\0';
    *ret_first = head[0];
    *ret_len = len;
    return payload;
}

unsigned net_open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}
