/* A connection to a program's control socket. What comes from there is not trusted: it is checked JSON of bounded length. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "cli/cli.h" /* IWYU pragma: export */

#define CLIENT_LINE_MAX ((size_t)16 << 20)
#define CLIENT_WAIT_MS 10000

struct client {
    struct cli *cli;
    int fd;
    const char *path;
    uint64_t last_id;
    char *bytes; /* of malloc; what has come and is not given out: from `at`, `len` of them */
    size_t at, len, cap;
};

/* Connects to a socket. Fails: an errno value. */
int client_open(struct client *client, struct cli *cli, const char *path);
void client_close(struct client *client);

/* Finds the program that the options name, or the only one, and connects. Says what is wrong. */
enum cli_status client_find(struct client *client, struct cli *cli);

/* Sends a request, under the next id. False: the program is gone. */
bool client_send(struct client *client, const char *op, anqa_json args);

/* Sends a line as it is: JSON in the arena. */
bool client_send_line(struct client *client, anqa_json line);

/* Reads some of what has come, without waiting. False: the program is gone, or sends what it must not. */
bool client_fill(struct client *client);
/* The next whole line, which lives until client_fill or client_hear. ret_json: an object, or zeroed: there is none yet.
 * False: it is no JSON. */
bool client_next(struct client *client, anqa_json *ret_json);
/* Waits for a line. timeout_ms: -1: for ever. False: the program is gone, or does not answer. */
bool client_hear(struct client *client, int timeout_ms, anqa_json *ret_json);

/* Asks, waits for the answer, and keeps it in the arena. Says what is wrong. */
enum cli_status client_ask(
    struct client *client, const char *op, anqa_json args, anqa_json *ret_answer);
/* Of a line: its answer; says what is wrong if it is an error. */
enum cli_status client_answer(anqa_json line, struct cli *cli, anqa_json *ret_answer);

/* Finds the program, asks it one thing, and prints the answer: as it is with --json, else by `show`. */
enum cli_status ask_and_show(struct cli *cli, const char *op, anqa_json args,
    void (*show)(struct cli *cli, anqa_json answer));

/* JSON in the arena, as anqa_json_format documents it. */
anqa_json json_make(struct cli *cli, const char *format, ...) ANQA_PRINTF(2, 3);

#endif
