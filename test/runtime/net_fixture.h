/*
 * net_fixture.h - what the tests of the network share: both ends of a connection, a folder for socket files, a server that
 * sends back what it reads. Most tests act on the attached thread, whose waits block it, against processes, whose waits
 * do not.
 */
#ifndef NET_FIXTURE_H
#define NET_FIXTURE_H

#include "rt_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <anqa/net.h>

#define BIG ((size_t)8 << 20) /* bytes that no socket's buffers hold */

/* ---------------------------------------------------------------- connections */

static inline anqa_listener listen_on(const char *address)
{
    anqa_listener listener;
    anqa_error err;

    CHECK_STATUS(anqa_listen(&(anqa_listen_spec){.address = address}, &listener, &err), ANQA_OK,
        "%s", err.text);
    return listener;
}

static inline anqa_tcp connect_to(const char *address)
{
    anqa_tcp conn;
    anqa_error err;

    CHECK_STATUS(anqa_connect(address, RT_LONG_MS, &conn, &err), ANQA_OK, "%s", err.text);
    return conn;
}

static inline anqa_tcp accept_from(anqa_listener listener)
{
    anqa_tcp conn;
    anqa_error err;

    CHECK_STATUS(anqa_accept(listener, RT_LONG_MS, &conn, &err), ANQA_OK, "%s", err.text);
    return conn;
}

static inline const char *address_of(anqa_listener listener)
{
    static _Thread_local char text[ANQA_ADDRESS_TEXT];

    CHECK_STATUS(anqa_listener_address(listener, text), ANQA_OK);
    return text;
}

/* Both ends of a TCP connection, owned by the calling process. */
static inline void tcp_pair(anqa_tcp *ret_a, anqa_tcp *ret_b)
{
    anqa_listener listener = listen_on("127.0.0.1:0");
    *ret_a = connect_to(address_of(listener));
    *ret_b = accept_from(listener);
    CHECK_STATUS(anqa_listener_close(listener), ANQA_OK);
}

static inline void must_write(anqa_tcp conn, const void *buf, size_t len)
{
    CHECK_STATUS(anqa_write(conn, buf, len, RT_LONG_MS, NULL), ANQA_OK);
}

static inline void must_read(anqa_tcp conn, const char *text)
{
    char buf[256];
    size_t got;

    CHECK(strlen(text) <= sizeof buf);
    CHECK_STATUS(anqa_read_full(conn, buf, strlen(text), RT_LONG_MS, &got), ANQA_OK);
    CHECK_STR(anqa_str_make(buf, got), text);
}

static inline void must_end(anqa_tcp conn)
{
    char byte;
    size_t n;

    CHECK_STATUS(anqa_read(conn, &byte, 1, RT_LONG_MS, &n), ANQA_E_CLOSED);
}

/* Made when it is first asked for. */
static char folder[] = "/tmp/anqa-net-XXXXXX";

static inline const char *in_folder(const char *name)
{
    static _Thread_local char path[sizeof folder + 64];

    if (strchr(folder, 'X') != NULL)
        CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "unix:%s/%s", folder, name);
    return path;
}

static inline void folder_remove(void)
{
    CHECK_EQ(rmdir(folder), 0, "something is left in %s", folder);
}

static inline anqa_pid start(
    void (*run)(void *state), const void *arg, size_t size, anqa_ref *ret_ref)
{
    anqa_pid pid;
    anqa_spawn_opts opts = {.run = run, .arg = arg, .arg_size = size, .monitor = ret_ref != NULL};

    CHECK_STATUS(anqa_spawn(&opts, &pid, ret_ref), ANQA_OK);
    return pid;
}

/* A listener whose queue is full: TCP drops what asks, a Unix socket says EAGAIN. */
static inline void fill_queue(const char *text)
{
    anqa_tcp conn;

    for (int i = 0; i < 8; i++)
        if (anqa_connect(text, 20, &conn, NULL) == ANQA_E_TIMEOUT)
            return;
    CHECK(false, "the queue of %s does not get full", text);
}

/* ---------------------------------------------------------------- echo servers */

/* Takes its connection from the first message. */
static inline void echo_conn_run(void *state)
{
    char buf[4096];
    anqa_tcp conn;
    size_t n;

    CHECK_STATUS(anqa_tcp_take(anqa_receive(ANQA_INFINITY), &conn), ANQA_OK);
    while (anqa_read(conn, buf, sizeof buf, ANQA_INFINITY, &n) == ANQA_OK)
        if (anqa_write(conn, buf, n, RT_LONG_MS, NULL) != ANQA_OK)
            break;
}

static inline void echo_server_run(void *state)
{
    const char *address = state;
    anqa_listener listener = listen_on(address);
    char text[ANQA_ADDRESS_TEXT];
    anqa_tcp conn;

    CHECK_STATUS(anqa_listener_address(listener, text), ANQA_OK);
    CHECK_STATUS(anqa_send(anqa_parent(), "address", anqa_bytes(text, sizeof text)), ANQA_OK);
    while (anqa_accept(listener, ANQA_INFINITY, &conn, NULL) == ANQA_OK) {
        anqa_pid pid = start(echo_conn_run, NULL, 0, NULL);
        CHECK_STATUS(anqa_tcp_move(conn, pid, "conn"), ANQA_OK);
    }
}

static inline anqa_pid echo_server(const char *address, char text[ANQA_ADDRESS_TEXT])
{
    anqa_pid pid = start(echo_server_run, address, strlen(address) + 1, NULL);
    const anqa_msg *msg = rt_expect("address");

    memcpy(text, msg->body.ptr, ANQA_ADDRESS_TEXT);
    anqa_msg_free(msg);
    return pid;
}

static inline void echo_once(void *arg)
{
    anqa_tcp conn = connect_to(arg);

    must_write(conn, "over and out", 12);
    must_read(conn, "over and out");
    CHECK_STATUS(anqa_shutdown(conn, ANQA_SHUT_WRITE), ANQA_OK);
    must_end(conn);
    CHECK_STATUS(anqa_close(conn), ANQA_OK);
}

static inline void kill_and_wait(anqa_pid pid)
{
    anqa_ref ref = anqa_monitor(pid);

    anqa_exit_signal(pid, ANQA_KILL);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_KILLED);
}

#endif
