/*
 * A bakery whose parts crash on purpose, and the supervisors that put them back. Run it and read along; it takes ten
 * seconds, or until Ctrl-C.
 *
 *     bakery            one for one: each for itself
 *     |- kitchen        rest for one: who comes later depends on who came before
 *     |  |- oven
 *     |  `- mixer
 *     |- tills          one process per cashier, started when first asked for
 *     `- story          crashes the others, and tells you
 */
#include <anqa/anqa.h>

#include <stdio.h>
#include <unistd.h>

struct till {
    int64_t sold;
    int64_t *drawer; /* somebody forgot to set it */
};

/* ---------------------------------------------------------------- three ways to crash */

static anqa_next burn(void *state, anqa_msg *msg)
{
    anqa_exit(anqa_error_reason("the bread is on fire"));
}

static anqa_next overfill(void *state, anqa_msg *msg)
{
    int64_t litres = 90;

    ANQA_REQUIRE(litres <= 20);
    return anqa_noreply();
}

static anqa_next count(void *state, anqa_msg *msg)
{
    struct till *till = state;

    *till->drawer = till->sold; /* a real segmentation fault: it ends this process only */
    return anqa_noreply();
}

static anqa_next sell(void *state, anqa_msg *msg)
{
    struct till *till = state;
    anqa_next next = anqa_reply_payload(anqa_bytes(&till->sold, sizeof till->sold));

    till->sold++;
    return next;
}

/* ---------------------------------------------------------------- the tree */

static const anqa_gen_server oven = {
    .name = "oven", .handle_cast = (const anqa_handler[]){{"burn", burn}, {0}}};
static const anqa_gen_server mixer = {
    .name = "mixer", .handle_cast = (const anqa_handler[]){{"overfill", overfill}, {0}}};
static const anqa_gen_server till_server = {
    .state_size = sizeof(struct till),
    .handle_call = (const anqa_handler[]){{"sell", sell}, {0}},
    .handle_cast = (const anqa_handler[]){{"count", count}, {0}},
};
static const anqa_supervisor kitchen = {
    .name = "kitchen",
    .strategy = ANQA_REST_FOR_ONE,
    .children = (const anqa_child_spec[]){{.server = &oven}, {.server = &mixer}, {0}},
};
static const anqa_dynamic_supervisor tills = {.name = "tills", .child = {.server = &till_server}};

static int crashes;

/* ---------------------------------------------------------------- the story */

static void say(const char *text)
{
    dprintf(STDOUT_FILENO, "\n%s\n", text);
}

static void show(uint32_t pause_ms)
{
    dprintf(STDOUT_FILENO, "\n");
    anqa_tree_print(anqa_whereis("bakery"));
    anqa_sleep(pause_ms);
}

/* Tells one to crash, waits until it has, and says why it ended. */
static void crash(anqa_pid who, const char *how)
{
    anqa_ref ref = anqa_monitor(who);
    const anqa_msg *down;
    char reason[64];

    anqa_cast(who, how, ANQA_JSON_NULL);
    down = anqa_receive_ref(ref, ANQA_INFINITY);
    dprintf(STDOUT_FILENO, "   it ended: %s\n",
        anqa_reason_format(down->u.reason, reason, sizeof reason));
    crashes++;
    anqa_sleep(50); /* give its supervisor a moment */
}

static void story(void *arg)
{
    /* the crashes would be logged: here we tell of them ourselves */
    anqa_log_set_level(ANQA_LOG_NONE);
    say("1. The bakery opens. Anna and Ben each get a till, made when first asked for.");
    ANQA_REQUIRE(anqa_ensure_child(&tills, anqa_str_of("anna"), NULL) == ANQA_OK);
    ANQA_REQUIRE(anqa_ensure_child(&tills, anqa_str_of("ben"), NULL) == ANQA_OK);
    show(1800);

    say("2. The oven exits with an error. It is restarted, and the mixer, which comes after it, "
        "too.");
    crash(anqa_whereis("oven"), "burn");
    show(1800);

    say("3. The mixer breaks a contract, a failed ANQA_REQUIRE. Only the mixer is restarted.");
    crash(anqa_whereis("mixer"), "overfill");
    show(1800);

    say("4. Ben's till writes through a null pointer. That ends Ben's till: not Anna's, not the "
        "program.");
    (void)anqa_call(
        anqa_child_pid(&tills, anqa_str_of("anna")), "sell", ANQA_JSON_NULL, ANQA_CALL_TIMEOUT_MS);
    crash(anqa_child_pid(&tills, anqa_str_of("ben")), "count");
    show(1800);

    say("5. The oven will not stop burning. One restart too many, and the kitchen gives up; the "
        "bakery starts a new one.");
    for (anqa_pid first = anqa_whereis("kitchen"); anqa_pid_eq(first, anqa_whereis("kitchen"));)
        crash(anqa_whereis("oven"), "burn");
    show(1800);
    anqa_main_stop();
}

static void closing_line(void)
{
    anqa_rt_stats stats;

    anqa_rt_get_stats(anqa_rt_self(), &stats);
    dprintf(STDOUT_FILENO,
        "\n%d crashes, %d of them a real fault; %d processes started in all; the bakery never "
        "closed.\n",
        crashes, (int)stats.contained, (int)stats.spawned);
}

static const anqa_app bakery = {
    .name = "bakery",
    .version = "1.0",
    .about = "a supervised tree that crashes on purpose and heals",
    .stop = closing_line,
    .children = (const anqa_child_spec[]){{.supervisor = &kitchen}, {.dynamic_supervisor = &tills},
        {.id = "story", .run = story, .restart = ANQA_TRANSIENT}, {0}},
};

int main(int argc, char **argv)
{
    return anqa_main(argc, argv, &bakery);
}
