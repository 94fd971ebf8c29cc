/*
 * A program that replaces itself: SIGUSR2 has it start a successor, the same program with the same arguments, looked up anew by
 * the name it was started by, so that it may be another version. The successor gets all listening sockets
 * (runtime/inherit.h) and nothing else that is open but the standard streams. When its application has started it
 * says so over a pipe, and begins to accept; only then this one stops accepting, and stops in order, as for SIGTERM.
 * Sockets are never closed in between, so nobody is refused. A successor that ends, or is not ready in time, is killed,
 * and nothing has changed.
 *
 *     this one    accepts ......................... | drains, stops
 *     successor          starts ... | accepts ..........................
 *                                 "1" over the pipe
 *
 * owner: main thread
 */
#ifndef OTP_RESTART_H
#define OTP_RESTART_H

#include <signal.h> /* IWYU pragma: export */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <anqa/config.h>

/* Area "program" of the configuration. */
struct restart_config {
    const char *pid_file; /* "": none */
    uint32_t timeout_ms;
};
extern const anqa_config_option restart_config_options[];

struct restart {
    struct restart_config config;
    char *program;   /* as it was called: a path from the root, or a name to be looked for */
    char *exe;       /* where it was found */
    char **argv;     /* a copy; its strings are main's */
    pid_t successor; /* 0: none */
    int ready_fd;    /* where it says that it is ready; -1: none */
    uint64_t deadline_ms;
    bool done; /* it is the one that serves */
};

/* Before anybody takes arguments out of argv.   Fails: E_NOMEM. */
anqa_status restart_init(
    struct restart *restart, int argc, char **argv, anqa_error *err) ANQA_MUST_CHECK;
void restart_done(struct restart *restart);

/* The application has started: writes the file with our process id.   Fails: as open(2). */
anqa_status restart_write_pid(const struct restart *restart, anqa_error *err) ANQA_MUST_CHECK;
/* Nothing can go wrong any more: tells a predecessor and the service manager. */
void restart_started(void);
/* The program stops: a successor that is not ready yet is killed. */
void restart_stopping(struct restart *restart);
/* It has stopped: removes the file, unless it is a successor's. */
void restart_stopped(const struct restart *restart);

/* Begins to start a successor; mask: of its signals. What goes wrong is logged. */
void restart_begin(struct restart *restart, const sigset_t *mask);
/* Says in the log why there is none. */
void restart_refuse(const char *why);
/* Looks how far the successor is. True, once: it serves, and we are to stop. */
bool restart_is_ready(struct restart *restart, uint64_t now_ms);
/* Until restart_is_ready has to look, whatever happens; UINT64_MAX: nobody is waited for. */
uint64_t restart_deadline_ms(const struct restart *restart);

#endif
