/*
 * The `anqa` command: what its subcommands share.
 *
 * A program that runs once and ends: memory lives in one arena until then, and what fails is said on stderr by the function
 * that finds it, which returns the exit status. Text that comes from elsewhere passes text_clean or json_print before a
 * terminal sees it.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdio.h>

#include <anqa/arena.h>
#include <anqa/json.h>

enum cli_status {
    CLI_OK = 0,
    CLI_FAILED = 1,      /* the program said no, or stdout cannot be written */
    CLI_USAGE = 2,       /* arguments, or several programs run and none was chosen */
    CLI_UNREACHABLE = 3, /* no program runs, or it does not answer */
};

struct cli {
    anqa_arena arena; /* pieces are never NULL: without memory the command ends */
    const char *socket, *app;
    bool json;   /* --json */
    bool colour; /* stdout is a terminal that wants it */
    bool utf8;   /* the locale's character set */
    int argc;    /* arguments of the subcommand that are left */
    char **argv;
};

struct command {
    const char *name, *args, *doc;
    enum cli_status (*run)(struct cli *cli);
    const char *help; /* more lines for --help, or NULL */
};

/* Prints "anqa: ..." and returns `status`. */
enum cli_status cli_fail(enum cli_status status, const char *format, ...) ANQA_PRINTF(2, 3);

/* The same, and ends the command. */
ANQA_NORETURN void cli_quit(enum cli_status status, const char *format, ...) ANQA_PRINTF(2, 3);

/* ---------------------------------------------------------------- arguments */

/* Takes --NAME out of the arguments. */
bool args_flag(struct cli *cli, const char *name);
/* Takes --NAME VALUE or --NAME=VALUE out; `otherwise` if it is not there. A missing value ends the command. */
const char *args_value(struct cli *cli, const char *name, const char *otherwise);
/* The same, as a number of 0 to max; anything else ends the command. */
unsigned long args_number(
    struct cli *cli, const char *name, unsigned long otherwise, unsigned long max);
/* Whether what is left is from `min` to `max` plain arguments; says so if not. */
bool args_are(struct cli *cli, int min, int max);

/* ---------------------------------------------------------------- text */

/* How a text looks; added up. */
enum look {
    LOOK_PLAIN = 0,
    LOOK_BOLD = 1,
    LOOK_DIM = 2,
    LOOK_REVERSE = 4,
    LOOK_RED = 8,
    LOOK_GREEN = 16,
    LOOK_YELLOW = 32,
    LOOK_CYAN = 64,
};
#define LOOK_COLOURS ((unsigned)(LOOK_RED | LOOK_GREEN | LOOK_YELLOW | LOOK_CYAN))
#define LOOK_CODE_MAX 32

/* The escape sequence that begins a look, whatever was before. */
const char *look_code(unsigned look, char code[LOOK_CODE_MAX]);
/* A clean text with its look, if stdout wants colours. */
void look_print(const struct cli *cli, FILE *out, unsigned look, anqa_str clean);

/* A text as a terminal may have it: what is no character, controls something or turns the direction of writing becomes
 * \x1b or \u{202e}; what the locale cannot show becomes '?'. */
anqa_str text_clean(struct cli *cli, anqa_str text);
/* How many columns a clean text takes. */
size_t text_width(anqa_str clean);
/* A clean text cut to `width` columns, with an ellipsis, if it is longer. */
anqa_str text_cut(struct cli *cli, anqa_str clean, size_t width);

/* printf. */
anqa_str text_format(struct cli *cli, const char *format, ...) ANQA_PRINTF(2, 3);

/* "1.5 MB", "3 h 12 m". */
anqa_str text_bytes(struct cli *cli, uint64_t bytes);
anqa_str text_duration(struct cli *cli, uint64_t ns);
/* "1,234,567" */
anqa_str text_count(struct cli *cli, uint64_t count);

/* A field; null if it is not there. */
anqa_json field_json(anqa_json object, const char *key);
/* Its elements, 0 of anything else. */
size_t json_count(anqa_json array);
/* The clean text of a field; empty unless it is a string. */
anqa_str field_text(struct cli *cli, anqa_json object, const char *key);

/* A value on a line of its own, as JSON that a terminal may have. */
void json_print(FILE *out, anqa_json json);
/* A value for people: indented, names without quotes. */
void json_show(struct cli *cli, FILE *out, anqa_json json);

/* ---------------------------------------------------------------- tables */

struct column {
    const char *title;
    bool is_number; /* stands to the right */
    unsigned look;
};

struct table;

/* columns: must outlive the table. */
struct table *table_new(struct cli *cli, const struct column *columns, size_t count);
/* The cells of the next row, clean texts, to be filled in. */
anqa_str *table_row(struct table *table);
void table_print(struct table *table, FILE *out);

/* ---------------------------------------------------------------- subcommands */

enum cli_status command_gen_cert(struct cli *cli);
enum cli_status command_info(struct cli *cli);
enum cli_status command_js(struct cli *cli);
enum cli_status js_compile(struct cli *cli);
enum cli_status js_coverage(struct cli *cli);
enum cli_status command_list(struct cli *cli);
enum cli_status command_log(struct cli *cli);
enum cli_status command_metrics(struct cli *cli);
enum cli_status command_observe(struct cli *cli);
enum cli_status command_pid(struct cli *cli);
enum cli_status command_processes(struct cli *cli);
enum cli_status command_reload(struct cli *cli);
enum cli_status command_resume(struct cli *cli);
enum cli_status command_rpc(struct cli *cli);
enum cli_status command_state(struct cli *cli);
enum cli_status command_stop(struct cli *cli);
enum cli_status command_restart(struct cli *cli);
enum cli_status command_suspend(struct cli *cli);
enum cli_status command_system(struct cli *cli);
enum cli_status command_trace(struct cli *cli);
enum cli_status command_tree(struct cli *cli);
enum cli_status command_version(struct cli *cli);

#endif
