#include "apps.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

char story[64];
static _Atomic(size_t) story_len;
char part_fails;

void story_add(char what)
{
    story[atomic_fetch_add(&story_len, 1)] = what;
}

void story_forget(void)
{
    atomic_store(&story_len, 0);
    memset(story, 0, sizeof story);
}

anqa_next part_init(void *state, const void *arg)
{
    char letter = anqa_child_id().ptr[0];

    if (letter == part_fails)
        return anqa_stop_with(anqa_error_reason("a bad day"));
    story_add(letter);
    return anqa_noreply();
}

void part_terminate(void *state, anqa_reason reason)
{
    story_add((char)(anqa_child_id().ptr[0] - 'a' + 'A'));
}

anqa_next part_exit(void *state, anqa_msg *msg)
{
    return anqa_stop_with(anqa_error_reason("boom"));
}

const anqa_gen_server part = {.init = part_init,
    .terminate = part_terminate,
    .trap_exit = true,
    .handle_info = (const anqa_handler[]){{"exit", part_exit}, {0}}};

void hang(void *state, anqa_reason reason)
{
    anqa_sleep(600000);
}

anqa_next init_hangs(void *state, const void *arg)
{
    anqa_sleep(600000);
    return anqa_noreply();
}

const anqa_gen_server never_starting = {.init = init_hangs, .trap_exit = true};
const anqa_gen_server hanging = {.terminate = hang, .trap_exit = true};

anqa_rt *begin_foreign(void)
{
    anqa_rt *rt = begin();

    anqa_detach();
    return rt;
}

bool nothing_runs(anqa_rt *rt)
{
    struct timespec pause = {.tv_nsec = 1000000};
    anqa_rt_stats stats;

    for (int i = 0; i < 5000; i++) {
        anqa_rt_get_stats(rt, &stats);
        if (stats.processes == 0)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

struct starter {
    anqa_rt *rt;
    const anqa_app *app;
};

static void *start_in_vain(void *arg)
{
    const struct starter *starter = arg;
    char expected[120];
    anqa_error err;

    (void)snprintf(expected, sizeof expected, "application '%s': its start ended: shutdown: killed",
        starter->app->name);
    CHECK_STATUS(anqa_app_start(starter->rt, starter->app, &err), ANQA_E_DIED);
    CHECK_STR(err.text, expected);
    return NULL;
}

void stop_in_start(anqa_rt *rt, const anqa_app *app)
{
    struct starter starter = {rt, app};
    struct timespec pause = {.tv_nsec = 1000000};
    pthread_t thread;
    anqa_status status;

    CHECK_EQ(pthread_create(&thread, NULL, start_in_vain, &starter), 0);
    while ((status = anqa_app_stop(rt, app, 10)) == ANQA_E_NOT_FOUND)
        nanosleep(&pause, NULL); /* it has not begun */
    CHECK_STATUS(status, ANQA_E_TIMEOUT);
    pthread_join(thread, NULL);
}

int run_main(const anqa_app *app, const char *a, const char *b)
{
    char name[] = "program", first[64], second[64];
    char *argv[] = {name, first, second, NULL};

    anqa_log_set_level(ANQA_LOG_NONE);
    (void)snprintf(first, sizeof first, "%s", a == NULL ? "" : a);
    (void)snprintf(second, sizeof second, "%s", b == NULL ? "" : b);
    argv[1 + (a != NULL) + (b != NULL)] = NULL;
    return anqa_main(1 + (a != NULL) + (b != NULL), argv, app);
}
