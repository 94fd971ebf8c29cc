/*
 * js_web_runner FILE: calls the exported function `all` of a script that has the whole web platform, and prints the JSON
 * that it returns. For compare.mjs.
 */
#include <stdio.h>

#include <anqa/anqa.h>

int main(int argc, char **argv)
{
    anqa_js_script script = ANQA_JS_SCRIPT(.name = "cases", .apis = UINT32_MAX,
        .topics = (const char *const[]){"*", NULL},
        .hosts = (const char *const[]){"127.0.0.1:*", NULL},
        .limits = {.memory = (size_t)512 << 20, .turn_ms = 30000});
    anqa_options options = {.schedulers = 1, .watchdog_ms = ANQA_INFINITY};
    anqa_json json = {NULL, 0};
    anqa_rt *rt = NULL;
    anqa_pid pid;
    anqa_error err;

    if (argc != 2)
        return fputs("usage: js_web_runner FILE\n", stderr), 2;
    script.path = argv[1];
    if (anqa_start(&options, &rt, &err) != ANQA_OK || anqa_attach(rt, &err) != ANQA_OK ||
        anqa_js_start_link(&script, NULL, NULL, &pid, &err) != ANQA_OK ||
        anqa_js_call_json(pid, "all", anqa_json_of(anqa_str_of("[]")), 120000, &json, NULL, &err) !=
            ANQA_OK)
        return fprintf(stderr, "js_web_runner: %s\n", err.text), 1;
    printf("%.*s\n", ANQA_FMT(json));
    anqa_detach();
    anqa_stop(rt);
    return 0;
}
