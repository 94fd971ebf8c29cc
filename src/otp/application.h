/* What anqa_main needs of an application beside anqa/application.h. */
#ifndef OTP_APPLICATION_H
#define OTP_APPLICATION_H

/* IWYU pragma: begin_exports */
#include <anqa/application.h>
#include <anqa/registry.h>
/* IWYU pragma: end_exports */

/* To an application's guard: stop in order; the payload is a uint32_t, milliseconds for all of it. */
extern const char application_stop_tag[];
/* To the same: the stop has taken too long, kill what is left. */
extern const char application_kill_tag[];

/* Applications that run or start, by name; they live as long as the current event. */
void application_list(anqa_registry_entry **ret_entries, size_t *ret_count);

/* An application that starts, or runs. */
struct application {
    const anqa_app *app;
    anqa_pid guard; /* alive as long as it is */
    anqa_ref start_ref;
};

/* What is added to notify_fd: above what others add to wake its reader, so that the sum tells. */
#define APPLICATION_NOTE_END ((uint64_t)1 << 32)
/* Added to that when it ended unasked, and that is a failure of the program. */
#define APPLICATION_NOTE_FAILED ((uint64_t)1 << 40)

/* Begins to start `app`; does not wait. notify_fd: an eventfd, to which 1 is added when the start is over, and
 * APPLICATION_NOTE_END some moments before the guard ends, however it does; or -1.   Context: attached thread. */
anqa_status application_start(
    const anqa_app *app, int notify_fd, struct application *ret_application, anqa_error *err);

/* True: the start is over, with *ret_status, to be asked once. False: not within timeout_ms.   Context: the thread that
 * began it. */
bool application_started(const struct application *application, uint32_t timeout_ms,
    anqa_status *ret_status, anqa_error *err);

#endif
