/*
 * Words to a service manager: systemd's sd_notify protocol, one datagram to the socket that NOTIFY_SOCKET names, a path or
 * "@" and a name in the abstract space. Without that variable nothing is sent. Nobody answers, and what cannot be sent
 * is lost: a service manager that does not listen is no reason to stop.
 */
#ifndef OTP_NOTIFY_H
#define OTP_NOTIFY_H

#include <anqa/runtime.h>

/* Reads the environment. While there is one thread. */
void notify_begin(void);
/* Sends lines of "NAME=value". Any thread; does not wait. */
void notify_send(const char *format, ...) ANQA_PRINTF(1, 2);

/* If WATCHDOG_USEC is there and meant for us: starts a process that says WATCHDOG=1 twice in that time, as long as
 * processes run. Fails: as anqa_rt_spawn. */
anqa_status notify_watchdog(anqa_rt *rt) ANQA_MUST_CHECK;

#endif
