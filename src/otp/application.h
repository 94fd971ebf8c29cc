/* What anqa_main needs of an application beside anqa/application.h. */
#ifndef OTP_APPLICATION_H
#define OTP_APPLICATION_H

/* IWYU pragma: begin_exports */
#include <anqa/application.h>
/* IWYU pragma: end_exports */

/* To its own process: stop in order; the payload is a uint32_t, milliseconds for all of it. */
extern const char application_stop_tag[];

/* As anqa_app_start. notify_fd: an eventfd that is written to when the application's process ends, however it ends; or
 * -1. ret_master: that process; may be NULL. */
anqa_status application_start(
    anqa_rt *rt, const anqa_app *app, int notify_fd, anqa_pid *ret_master, anqa_error *err);

#endif
