/* `anqa js compile`: asks no program; starts an engine of its own. */
#include "cli/cli.h"

#include <stdlib.h>

#include <anqa/js.h>
#include <anqa/log.h>
#include <anqa/memory.h>
#include <anqa/runtime.h>

#define FILE_MAX ((size_t)16 << 20)

/* Ends the command when it cannot be read. */
static anqa_str read_file(struct cli *cli, const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = anqa_arena_alloc(&cli->arena, FILE_MAX + 1);
    size_t len;

    if (file == NULL)
        cli_quit(CLI_FAILED, "cannot read %s: %m", path);
    len = fread(text, 1, FILE_MAX + 1, file);
    if (ferror(file) != 0)
        cli_quit(CLI_FAILED, "cannot read %s: %m", path);
    fclose(file);
    if (len > FILE_MAX)
        cli_quit(CLI_FAILED, "%s is longer than %zu bytes", path, FILE_MAX);
    text[len] = '\0';
    return anqa_str_make(text, len);
}

static enum cli_status write_file(const char *path, anqa_str bytes)
{
    FILE *file = fopen(path, "we");
    bool failed;

    if (file == NULL)
        return cli_fail(CLI_FAILED, "cannot write %s: %m", path);
    failed = fwrite(bytes.ptr, 1, bytes.len, file) != bytes.len;
    failed = fclose(file) != 0 || failed;
    return failed ? cli_fail(CLI_FAILED, "cannot write %s: %m", path) : CLI_OK;
}

static enum cli_status compile(struct cli *cli, const anqa_js_script *script, const char *out)
{
    anqa_error err = {.text = ""};
    anqa_str bytecode = {NULL, 0}, words;

    if (anqa_js_compile(script, &bytecode, NULL, &err) == ANQA_OK)
        return write_file(out, bytecode);
    words = text_clean(cli, anqa_str_of(err.text));
    return cli_fail(CLI_FAILED, "%.*s", ANQA_FMT(words));
}

enum cli_status js_compile(struct cli *cli)
{
    const char *out = args_value(cli, "out", NULL), *name = args_value(cli, "name", NULL);
    anqa_js_script script = ANQA_JS_SCRIPT(.name = name);
    enum cli_status status;
    anqa_error err;
    anqa_rt *rt;

    if (!args_are(cli, 1, 1))
        return CLI_USAGE;
    if (out == NULL)
        return cli_fail(CLI_USAGE, "--out FILE is needed");
    if (name == NULL) {
        const char *slash = strrchr(cli->argv[0], '/');
        script.name = slash == NULL ? cli->argv[0] : slash + 1;
    }
    script.source = read_file(cli, cli->argv[0]).ptr;
    anqa_log_set_level(ANQA_ERROR);
    if (anqa_start(&(anqa_options){.schedulers = 1, .watchdog_ms = ANQA_INFINITY}, &rt, &err) !=
            ANQA_OK ||
        anqa_attach(rt, &err) != ANQA_OK)
        return cli_fail(CLI_FAILED, "no engine can be started: %s", err.text);
    status = compile(cli, &script, out);
    anqa_detach();
    anqa_stop(rt);
    return status;
}
