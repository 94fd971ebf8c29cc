/* Static files on a connection. See conn.h. */
#include "http/conn_int.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/sendfile.h>
#include <time.h>

#include <anqa/memory.h>

#include "http/static.h"

#define STALL_MS 30000u /* the peer reads nothing for so long */
#define PART ((size_t)256 << 10)
#define PARTS_A_TURN 4 /* to a peer that reads as fast as we write, before others run */

/* Waits until the kernel takes more. False: it is over. */
static bool wait_room(struct conn *conn)
{
    anqa_status status = ANQA_OK;

    if ((fd_ready(conn->entry) & FD_OUT) == 0) /* else it came when nobody waited for it */
        status = fd_wait(conn->entry, FD_OUT, anqa_now_ms() + STALL_MS);
    conn->blocked = false;
    if (status != ANQA_OK)
        conn_kill(conn, true);
    return conn->phase != CONN_DEAD;
}

static bool drain_output(struct conn *conn)
{
    conn_flush(conn);
    while (conn->out != NULL && conn->phase != CONN_DEAD) {
        if (!wait_room(conn))
            return false;
        conn_flush(conn);
    }
    return conn->phase != CONN_DEAD;
}

/* sendfile without SIGPIPE, which no flag of it turns off, and which a program that we are embedded in need not ignore. */
static ssize_t send_part(int to, int from, off_t *at, size_t size)
{
    static const struct timespec at_once = {0};
    sigset_t pipe, before;
    ssize_t n;
    int error;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    n = sendfile(to, from, at, size);
    error = errno;
    if (n < (ssize_t)size) /* also after a part that went through */
        (void)sigtimedwait(&pipe, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return n;
}

/* The head has gone out: what is promised in it must follow, or the connection ends. */
static void send_content(struct conn *conn, int fd, uint64_t size)
{
    off_t at = 0;
    unsigned turn = 0;

    while ((uint64_t)at < size) {
        size_t part = size - (uint64_t)at < PART ? (size_t)(size - (uint64_t)at) : PART;
        ssize_t n = send_part(conn->entry->fd, fd, &at, part);
        if (n > 0) {
            conn->since_s = outlet_now_s();
            if (++turn % PARTS_A_TURN == 0)
                anqa_yield();
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            fd_filled(conn->entry);
            if (wait_room(conn))
                continue;
            return;
        }
        conn_kill(conn, true); /* the peer is gone, or the file has become shorter */
        return;
    }
}

bool conn_serve_static(
    struct conn *conn, const struct static_mount *mount, const struct request *request)
{
    struct static_file file;
    struct response response;
    char *head;
    char *room;
    uint64_t size;
    anqa_str text;
    anqa_deferred deferred;

    switch (static_find(mount, request, &file)) {
    case STATIC_PASS:
    case STATIC_MISSING: return false;
    case STATIC_BUSY:
        conn_respond(conn, 503, "text/plain; charset=utf-8",
            anqa_str_of("no file can be opened for the moment\n"));
        return true;
    case STATIC_FOUND: break;
    }
    deferred = anqa_defer_close(file.fd);
    head = anqa_arena_alloc(anqa_tmp(), RESPONSE_HEAD_SIZE);
    size = static_write_head(&response, head, RESPONSE_HEAD_SIZE, mount, &file, request);
    conn_answer_begin(conn);
    if (!conn->keep_alive)
        response_header(&response, "connection", anqa_str_of("close"));
    room = response_finish(&response, &text) == ANQA_OK ? conn_queue_room(conn, text.len) : NULL;
    if (room == NULL) {
        conn_kill(conn, true);
    } else {
        memcpy(room, text.ptr, text.len);
        conn->waiting = true;
        if (size > 0 && drain_output(conn))
            send_content(conn, file.fd, size);
        conn->waiting = false;
    }
    anqa_defer_cancel(deferred);
    static_file_close(&file);
    return true;
}
