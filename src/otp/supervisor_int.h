/*
 * A supervisor's state, and what its files do with it: supervisor.c decides what is restarted, supervisor_rows.c has the
 * children, supervisor_manage.c answers requests, partition_supervisor.c is for those whose children are partitions.
 */
#ifndef OTP_SUPERVISOR_INT_H
#define OTP_SUPERVISOR_INT_H

/* IWYU pragma: begin_exports */
#include <anqa/supervisor.h>

#include "otp/child.h"
#include "otp/intensity.h"
#include "otp/requests.h"
/* IWYU pragma: end_exports */

struct row {
    anqa_child_spec
        spec;     /* id is set; of children added later, id and a copied arg are on our heap */
    anqa_pid pid; /* nobody unless it runs */
    uint32_t restarts;
    uint32_t failures;   /* in a row */
    uint64_t started_ms; /* of its last start */
    anqa_timer retry;    /* armed: it waits to be started */
    bool owns_id, owns_arg;
    bool restarting; /* it is to be started, when its own wait or that of a row before it is over */
    char last_exit[LAST_EXIT_SIZE];
};

/* owner: process. */
struct supervisor {
    const anqa_supervisor *spec;
    const anqa_partition_supervisor *model; /* of a partition supervisor, whose spec is `own` */
    struct partitions *partitions;          /* likewise: what it shows to callers */
    anqa_supervisor own;
    struct row *rows; /* in order of start */
    size_t count, size;
    struct intensity intensity;
};

/* For logs. */
const char *sup_name(const struct supervisor *sup);

/* NULL: there is none. A row is good until one is added or removed. */
struct row *sup_row_of_id(struct supervisor *sup, anqa_str id);
/* The last one, not started. */
struct row *sup_row_add(struct supervisor *sup, const anqa_child_spec *spec);
void sup_row_remove(struct supervisor *sup, struct row *row);

/* What `ignore` leaves is a row without a process, and no failure. May wait. */
anqa_status sup_row_start(struct supervisor *sup, struct row *row, anqa_error *err);
/* Fine when it does not run. May wait. */
void sup_row_stop(struct row *row);
/* From right to left down to row `from`; temporary children go for good. May wait. */
void sup_rows_stop(struct supervisor *sup, size_t from, bool forget_temporary);

/* Starts those of the row's strategy group that are to be started, from left to right. The row itself need not be among
 * them. May wait. */
void sup_group_start(struct supervisor *sup, struct row *row);

/* Answers a call. */
void sup_answer(struct supervisor *sup, const anqa_msg *msg);

/* ---------------------------------------------------------------- partitions */

anqa_status sup_partitions_check(const anqa_partition_supervisor *spec, anqa_error *err);
/* Makes and starts all, and lets keys lead there. On failure none is left. May wait. */
anqa_status sup_partitions_start(struct supervisor *sup, anqa_error *err);
/* A row of them has started. */
void sup_partition_show(struct supervisor *sup, const struct row *row);
void sup_on_resize(struct supervisor *sup, const anqa_msg *msg, const anqa_caller *caller);

#endif
