#include "otp/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <anqa/process.h>

#define TEXT_MAX 256

/* Constant after notify_begin. */
static struct sockaddr_un manager;
static socklen_t manager_len; /* 0: there is none */
static uint32_t watchdog_ms;  /* from one ping to the next; 0: none is wanted */

static const char *variable(const char *name)
{
    return getenv(name); /* NOLINT(concurrency-mt-unsafe): one thread */
}

static void address_begin(void)
{
    const char *path = variable("NOTIFY_SOCKET");
    size_t len = path == NULL ? 0 : strlen(path);

    manager_len = 0;
    if (len < 2 || len >= sizeof manager.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    manager = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(manager.sun_path, path, len);
    manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (path[0] == '@')
        manager.sun_path[0] = '\0';
}

static uint64_t number(const char *text)
{
    return text == NULL ? 0 : strtoull(text, NULL, 10);
}

static void watchdog_begin(void)
{
    const char *pid = variable("WATCHDOG_PID");
    uint64_t half_ms = number(variable("WATCHDOG_USEC")) / 2000;

    watchdog_ms = 0;
    if (half_ms == 0 || half_ms >= ANQA_INFINITY ||
        (pid != NULL && number(pid) != (uint64_t)getpid()))
        return;
    watchdog_ms = (uint32_t)half_ms;
}

void notify_begin(void)
{
    address_begin();
    watchdog_begin();
}

void notify_send(const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    int len, fd;

    if (manager_len == 0)
        return;
    va_start(args, format);
    len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (len > 0 && len < TEXT_MAX)
        (void)sendto(fd, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT,
            (const struct sockaddr *)&manager, manager_len);
    close(fd);
}

static void watchdog_run(void *arg)
{
    for (;;) {
        notify_send("WATCHDOG=1");
        anqa_sleep(watchdog_ms);
    }
}

anqa_status notify_watchdog(anqa_rt *rt)
{
    anqa_spawn_opts opts = {.run = watchdog_run, .label = "watchdog"};
    anqa_pid pid;

    return manager_len == 0 || watchdog_ms == 0 ? ANQA_OK : anqa_rt_spawn(rt, &opts, &pid);
}
