/**
 * anqa/application.h - a whole program: its children under one supervisor, its start, its orderly end.
 *
 *     static const anqa_app shop = {.name = "shop", .children = (const anqa_child_spec[]){{.server = &stock}, {0}}};
 *     int main(int argc, char **argv) { return anqa_main(argc, argv, &shop); }
 *
 * Starting: the applications that it needs, then `start`, the children from left to right under a top supervisor named as the
 * application, and the start phases. Stopping is the reverse: `prep_stop` while all still run, the children from right to
 * left, `stop`, and then what it needs, from the last to the first. The callbacks run in the application's own process
 * and may wait.
 *
 * Applications that need others are started behind them, each application once in a runtime, however many need it; it stops
 * when the last of those has, unless it was started for itself too. When one of them fails to start, those before it
 * are stopped again. Applications that need each other are refused, and the error names them. When one ends of itself, its
 * restart type says what that means for those that need it.
 *
 * anqa_main reads arguments and configuration, starts a runtime and the application, and sleeps until SIGTERM or SIGINT,
 * or until the application ends (its top supervisor gives up, or an application that it needs has ended). Then it stops in order, within `runtime.stop_timeout`; another SIGINT or SIGTERM
 * cuts that short, unless it comes within 100 ms of the first: `timeout` and some terminals send two for one. A signal
 * during the start lets it come to its end and then stops in order; the time counts from the signal, so a start that
 * hangs is killed.
 *
 * SIGUSR1 has the trees of all applications, with the messages that wait, and the figures of the system written to standard
 * error, while everything goes on.
 *
 * While it runs, anqa_main's program can be looked into and told what to do by the command `anqa`, over its control socket
 * (anqa/control.h).
 *
 * Threads. The functions below are for foreign threads that are not attached, such as main's.
 */
#ifndef ANQA_APPLICATION_H
#define ANQA_APPLICATION_H

#include <anqa/control.h>
#include <anqa/runtime.h>
#include <anqa/supervisor.h>

ANQA_BEGIN_DECLS

/** A step of a start that needs all children. {0} ends a list of them. */
typedef struct anqa_start_phase {
    const char *name; /* for errors */
    anqa_status (*run)(anqa_error *err);
} anqa_start_phase;

/** `static const`. Zero is a sensible default everywhere but for the name. */
typedef struct anqa_app {
    const char *name;
    const char *version;                        /* for --version */
    const char *about;                          /* one line for --help */
    const struct anqa_app *const *applications; /* those it needs; NULL ends them */
    const anqa_child_spec *children;            /* {0} ends them */
    anqa_strategy strategy;                     /* of the top supervisor */
    uint32_t max_restarts, max_seconds;
    anqa_status (*start)(anqa_error *err); /* before the children */
    const anqa_start_phase *start_phases;  /* when they run, one after the other; {0} ends them */
    void (*prep_stop)(void);               /* while they still run */
    void (*stop)(void);                    /* when all have ended, of a start that succeeded */
    /* What its end means, when nobody has asked for it, to those that need it: ANQA_PERMANENT: they end too. TRANSIENT: the
     * same, unless its top supervisor ended with NORMAL (giving up is SHUTDOWN). TEMPORARY: nothing but a line in the log. */
    anqa_restart restart;
    const anqa_control_op
        *control; /* what `anqa rpc` can run in anqa_main's program; {0} ends them */
} anqa_app;

/** Exit statuses of anqa_main. */
enum {
    ANQA_EXIT_OK = 0,
    ANQA_EXIT_START = 1, /* did not start: bad configuration, or a child failed */
    ANQA_EXIT_USAGE = 2, /* an argument that is not known */
    ANQA_EXIT_FAILED =
        70, /* it ended unasked, as its restart type counts it, or the runtime is tainted and was to drain */
    ANQA_EXIT_HURRIED = 71 /* the orderly stop was cut short, by its deadline or a second signal */
};

/**
 * Starts an application in a runtime; returns when all children have started. One runtime can hold several, under
 * different names.
 * Fails: E_EXISTS (it runs already), E_INVALID (applications that need each other, or have one name), E_LIMIT (more than
 * 256 in all), else as anqa_supervisor_start_link; err names the application and the child: "child 'db' failed to start:
 * ...". What `start` and start phases return comes back as it is.
 * Context: foreign, not attached; blocks.
 */
ANQA_API anqa_status anqa_app_start(
    anqa_rt *rt, const anqa_app *app, anqa_error *err) ANQA_MUST_CHECK;

/**
 * Stops an application in order. timeout_ms: for its children, and all that it needs; then everything is killed that the application has
 * started and that still runs, whoever its parents are and whatever it waits for: a child in its init too. A callback of
 * the application itself (`start`, `stop`) has a second more. Code that does not return can not be killed; a line in the
 * log says so a second later.
 * Fails: E_NOT_FOUND (it does not run), E_RUNNING (another application needs it: nothing was done), E_TIMEOUT (something
 * had to be killed).   Context: foreign, not attached; blocks.
 */
ANQA_API anqa_status anqa_app_stop(anqa_rt *rt, const anqa_app *app, uint32_t timeout_ms);

/** The application's top supervisor; nobody when it does not run. Context: process. */
ANQA_API anqa_pid anqa_app_supervisor(const anqa_app *app);

/** Everything a program needs, see above. Returns the status for main to return. Context: main thread. */
ANQA_API int anqa_main(int argc, char **argv, const anqa_app *app);

/** Asks the running anqa_main to stop in order, as SIGTERM would: again, after 100 ms, means to hurry. Any thread or
 * process. */
ANQA_API void anqa_main_stop(void);

ANQA_END_DECLS

#endif
