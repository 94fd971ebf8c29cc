/* The programs that run: those with a control socket in the usual place. */
#ifndef CLI_PROGRAMS_H
#define CLI_PROGRAMS_H

#include "cli/client.h" /* IWYU pragma: export */

struct program {
    const char *path, *file; /* file: its last part, without ".sock" */
    anqa_str name, version, anqa;
    int64_t pid;
};

#define PROGRAMS_MAX 256u

struct programs {
    struct program *list;
    size_t count;
    size_t silent; /* those that take connections but do not say who they are */
};

/* Asks each who it is; sockets of the dead are passed over. Fails: the folder is not safe, and it has been said. */
enum cli_status programs_find(struct cli *cli, struct programs *ret_programs);
/* Whether --app means this one: its name, its socket's or its process id. */
bool program_is(const struct program *program, const char *app);
void programs_print(struct cli *cli, const struct programs *programs, FILE *out);

/* What a program says of itself. False: it does not answer as it should. */
bool program_ask(struct client *client, struct program *ret_program);

#endif
