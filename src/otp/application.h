/* What anqa_main needs of an application beside anqa/application.h. */
#ifndef OTP_APPLICATION_H
#define OTP_APPLICATION_H

/* IWYU pragma: begin_exports */
#include <anqa/application.h>
/* IWYU pragma: end_exports */

/* To an application's guard: stop in order; the payload is a uint32_t, milliseconds for all of it. */
extern const char application_stop_tag[];
/* To the same: the stop has taken too long, kill what is left. */
extern const char application_kill_tag[];

/* An application that starts, or runs. */
struct application {
    const anqa_app *app;
    anqa_pid guard; /* alive as long as it is */
    anqa_ref start_ref;
};

/* Begins to start `app`; does not wait. notify_fd: an eventfd that is written to when the start is over, and when the
 * application's processes have ended, however they did; or -1.   Context: attached thread. */
anqa_status application_start(
    const anqa_app *app, int notify_fd, struct application *ret_application, anqa_error *err);

/* True: the start is over, with *ret_status, to be asked once. False: not within timeout_ms.   Context: the thread that
 * began it. */
bool application_started(const struct application *application, uint32_t timeout_ms,
    anqa_status *ret_status, anqa_error *err);

#endif
