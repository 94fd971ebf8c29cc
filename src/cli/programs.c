#include "cli/programs.h"

#include <dirent.h>
#include <inttypes.h>

#include "control/path.h"

#define PING_MS 2000

static const char suffix[] = ".sock";

/* ---------------------------------------------------------------- looking */

bool program_ask(struct client *client, struct program *ret_program)
{
    struct cli *cli = client->cli;
    anqa_json line, about;
    const char *file = strrchr(client->path, '/');
    size_t len;

    if (!client_send(client, "ping", ANQA_JSON_EMPTY_OBJECT) ||
        !client_hear(client, PING_MS, &line) || anqa_json_get(line, "ok", &about) != ANQA_OK)
        return false;
    file = file == NULL ? client->path : file + 1;
    len = strlen(file);
    if (len > sizeof suffix - 1 && strcmp(file + len - (sizeof suffix - 1), suffix) == 0)
        len -= sizeof suffix - 1;
    *ret_program = (struct program){.path = client->path,
        .file = anqa_arena_copy(&cli->arena, file, len),
        .name = field_text(cli, about, "name"),
        .version = field_text(cli, about, "version"),
        .anqa = field_text(cli, about, "anqa"),
        .pid = anqa_json_int(about, "pid", 0)};
    return true;
}

static void try_socket(struct cli *cli, const char *path, struct programs *programs)
{
    struct client client;

    if (client_open(&client, cli, path) != 0)
        return;
    if (program_ask(&client, &programs->list[programs->count]))
        programs->count++;
    else
        programs->silent++;
    client_close(&client);
}

static bool is_socket_name(const char *name)
{
    size_t len = strlen(name);

    return len > sizeof suffix - 1 && strcmp(name + len - (sizeof suffix - 1), suffix) == 0;
}

enum cli_status programs_find(struct cli *cli, struct programs *ret_programs)
{
    char folder[CONTROL_PATH_MAX];
    const struct dirent *entry;
    anqa_error err;
    DIR *dir;
    anqa_status status = control_folder(folder, &err);

    *ret_programs = (struct programs){
        .list = anqa_arena_calloc(&cli->arena, PROGRAMS_MAX, sizeof *ret_programs->list)};
    if (status == ANQA_OK)
        status = control_folder_check(folder, &err);
    if (status == ANQA_E_NOT_FOUND)
        return CLI_OK;
    if (status != ANQA_OK)
        return cli_fail(CLI_UNREACHABLE, "%s", err.text);
    dir = opendir(folder);
    if (dir == NULL)
        return cli_fail(CLI_UNREACHABLE, "cannot read the folder %s", folder);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
    while (ret_programs->count < PROGRAMS_MAX && (entry = readdir(dir)) != NULL) {
        const char *path = anqa_arena_printf(&cli->arena, "%s/%s", folder, entry->d_name);
        if (is_socket_name(entry->d_name))
            try_socket(cli, path, ret_programs);
    }
    closedir(dir);
    return CLI_OK;
}

bool program_is(const struct program *program, const char *app)
{
    char pid[24];

    snprintf(pid, sizeof pid, "%" PRId64, program->pid);
    return anqa_str_is(program->name, app) || strcmp(program->file, app) == 0 ||
           strcmp(pid, app) == 0;
}

void programs_print(struct cli *cli, const struct programs *programs, FILE *out)
{
    static const struct column columns[] = {{.title = "NAME", .look = LOOK_CYAN},
        {.title = "VERSION"}, {.title = "PID", .is_number = true},
        {.title = "SOCKET", .look = LOOK_DIM}};
    struct table *table = table_new(cli, columns, ANQA_COUNT(columns));

    for (size_t i = 0; i < programs->count; i++) {
        const struct program *program = &programs->list[i];
        anqa_str *cells = table_row(table);
        cells[0] = program->name;
        cells[1] = program->version;
        cells[2] = text_format(cli, "%" PRId64, program->pid);
        cells[3] = text_clean(cli, anqa_str_of(program->path));
    }
    table_print(table, out);
}

/* ---------------------------------------------------------------- choosing */

static enum cli_status open_path(struct client *client, struct cli *cli, const char *path)
{
    int errnum = client_open(client, cli, path);

    if (errnum == 0)
        return CLI_OK;
    return cli_fail(
        CLI_UNREACHABLE, "cannot reach the program at %s: %s", path, strerrordesc_np(errnum));
}

static enum cli_status none_found(const struct cli *cli, const struct programs *programs)
{
    char folder[CONTROL_PATH_MAX], hint[80] = "; --socket PATH names one elsewhere";

    if (control_folder(folder, NULL) != ANQA_OK)
        folder[0] = '\0';
    if (programs->silent > 0)
        snprintf(hint, sizeof hint, "; %zu there %s", programs->silent,
            programs->silent == 1 ? "does not answer" : "do not answer");
    if (cli->app != NULL)
        return cli_fail(CLI_UNREACHABLE, "no application '%s' is running (looked in %s)%s",
            cli->app, folder, hint);
    return cli_fail(CLI_UNREACHABLE, "no application is running (looked in %s)%s", folder, hint);
}

enum cli_status client_find(struct client *client, struct cli *cli)
{
    const struct program *chosen = NULL;
    struct programs programs;
    enum cli_status status;
    size_t matches = 0;

    if (cli->socket != NULL)
        return open_path(client, cli, cli->socket);
    status = programs_find(cli, &programs);
    if (status != CLI_OK)
        return status;
    for (size_t i = 0; i < programs.count; i++) {
        if (cli->app != NULL && !program_is(&programs.list[i], cli->app))
            continue;
        matches++;
        chosen = &programs.list[i];
    }
    if (matches == 0)
        return none_found(cli, &programs);
    if (matches == 1)
        return open_path(client, cli, chosen->path);
    status =
        cli_fail(CLI_USAGE, "several applications are running; --app NAME or --app PID chooses:");
    cli->colour = false;
    programs_print(cli, &programs, stderr);
    return status;
}
