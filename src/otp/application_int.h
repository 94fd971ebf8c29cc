/*
 * An application's two processes. The master (application.c) runs its callbacks and is the parent of its top supervisor. The
 * guard (application_guard.c), above it, never runs code of the user's: whatever hangs below, it answers, and can end it.
 * Before the master starts, the guard of an application that was asked for takes hold of those that it needs, in
 * order, and lets go of them in reverse when the master has ended; one that nobody holds any more stops.
 */
#ifndef OTP_APPLICATION_INT_H
#define OTP_APPLICATION_INT_H

/* IWYU pragma: begin_exports */
#include "otp/application.h"
#include "otp/child.h"
/* IWYU pragma: end_exports */

/* Guards by the name of their application. */
extern const anqa_registry application_guards;

/* What a guard is spawned with. */
struct guard_arg {
    const anqa_app *app;
    anqa_pid starter; /* who is told what came of the start, by child_note_tag with start_ref */
    anqa_ref start_ref;
    bool is_need;  /* the starter is the guard of another application, which needs this one */
    int notify_fd; /* or -1 */
};

/* Of struct guard_arg. */
void application_guard(void *state);
/* Of a pointer to anqa_app. Its parent hears by child_note_tag what came of the start. */
void application_master(void *state);

/* Ends all that the calling process and its descendants have spawned. May wait. */
void application_kill_below(const anqa_app *app);

/* At most so many are needed by one, in all. */
#define APPLICATIONS_MAX 256u

/* All that `app` needs, and what those need, each once and behind what it needs itself; `app` itself is not among them.
 * Fails: E_INVALID: they need each other, two have one name, or one has none. E_LIMIT. */
anqa_status application_order(const anqa_app *app, const anqa_app *ret_order[APPLICATIONS_MAX],
    size_t *ret_count, anqa_error *err);

#endif
