/* Processes, their trees and their traces, as people see them. */
#ifndef CLI_PROCESS_H
#define CLI_PROCESS_H

#include "cli/cli.h" /* IWYU pragma: export */

enum process_column {
    PROCESS_PID,
    PROCESS_NAME, /* registered, else its label, else what it was started from */
    PROCESS_KIND,
    PROCESS_STATUS,
    PROCESS_MAILBOX,
    PROCESS_MEMORY,
    PROCESS_HANDLED,
    PROCESS_HANDLING,
    PROCESS_COLUMN_COUNT_
};

extern const struct column process_columns[PROCESS_COLUMN_COUNT_];

/* Of what the operation "processes" lists, or "info" gives. */
anqa_str process_cell(struct cli *cli, anqa_json process, enum process_column column);
/* What its status looks like. */
unsigned process_look(anqa_json process);
void processes_print(struct cli *cli, anqa_json processes, FILE *out);

/* Something with a name, of one line. */
struct field {
    const char *title;
    anqa_str text;
};

#define FIELDS_MAX 32

/* All that can be seen of a process; what is not there is left out. */
size_t process_fields(struct cli *cli, anqa_json process, struct field fields[FIELDS_MAX]);
/* The same on lines of their own, and that of the whole system. */
void process_print(struct cli *cli, anqa_json process, FILE *out);
void system_print(struct cli *cli, anqa_json system, FILE *out);

/* One line of a tree. Texts are clean. */
struct tree_row {
    anqa_str prefix;          /* lines that lead to it */
    anqa_str name, pid, note; /* note: its state if it is not running, how often it was restarted */
    bool is_supervisor;
};

/* Rows in the arena, from the answer of "tree". */
size_t tree_rows(struct cli *cli, anqa_json tree, struct tree_row **ret_rows);

/* An event of a trace, in a line. */
anqa_str event_text(struct cli *cli, anqa_json event);
unsigned event_look(anqa_json event);

#endif
