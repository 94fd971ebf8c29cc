/*
 * `anqa observe`: what runs in a program, live. observe.c asks and acts on keys; observe_views.c draws what was answered.
 *
 * Nothing here waits for the program: each question has a place for its last answer, is asked again when that has come and
 * the next round begins, and the picture shows what there is. When the connection is lost it goes on showing that, and
 * tries to get another one.
 */
#ifndef CLI_OBSERVE_H
#define CLI_OBSERVE_H

/* IWYU pragma: begin_exports */
#include "cli/client.h"
#include "cli/screen.h"
/* IWYU pragma: end_exports */

#define EVENTS_MAX 1000u
#define PID_TEXT_MAX 48u
#define SCHEDULERS_MAX 64u

enum view { VIEW_PROCESSES, VIEW_TREE, VIEW_PROCESS, VIEW_TRACE, VIEW_HELP };

/* What is asked. */
enum question {
    ASK_PROGRAM,
    ASK_SYSTEM,
    ASK_PROCESSES,
    ASK_TREE,
    ASK_PROCESS,
    ASK_STATE,
    ASK_TRACE,
    ASK_ACTION,
    ASK_COUNT_
};

struct answer {
    uint64_t id;    /* of the question under way; 0: none is */
    anqa_json json; /* of malloc; zeroed: none yet, or an error was */
    char error[160];
};

/* How far the picture's list is scrolled, and which of its rows is chosen. */
struct place {
    size_t at, top, count;
};

enum confirm { CONFIRM_NONE, CONFIRM_KILL, CONFIRM_SUSPEND };

struct observe {
    struct cli *cli; /* its arena lives from one picture to the next */
    struct screen screen;
    struct client client;
    char *path;
    bool is_connected;
    uint64_t retry_ms; /* when to connect again */

    struct answer answers[ASK_COUNT_];
    uint64_t idle_ns[SCHEDULERS_MAX], uptime_ns; /* of the last answer about the system */
    double busy[SCHEDULERS_MAX];
    char *events[EVENTS_MAX]; /* JSON, the oldest at first_event */
    size_t first_event, event_count;

    enum view view, before_help;
    enum view list; /* VIEW_PROCESSES or VIEW_TREE: where Escape leads to */
    struct place place, place_before_help;
    bool follows;              /* a trace's last event is shown */
    char chosen[PID_TEXT_MAX]; /* pid of the row, which is found again when it has moved */
    char target[PID_TEXT_MAX]; /* pid of the process that is looked at */
    int sort;
    char filter[64];
    bool is_typing; /* the filter */
    enum confirm confirm;
    char message[160];
    uint64_t message_until_ms;
    uint64_t interval_ms, next_ms;
    bool is_paused;
};

/* The orders of the list, as the operation "processes" knows them. */
extern const char *const observe_sorts[];
#define OBSERVE_SORTS 4

/* Draws everything. */
void observe_draw(struct observe *observe);

#endif
