#include "cli/observe.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"

#define INTERVAL_MS 1000u
#define INTERVAL_MIN_MS 250u
#define INTERVAL_MAX_MS 16000u
#define RETRY_MS 500u
#define MESSAGE_MS 4000u
#define ESCAPE_MS 50 /* what belongs to a sequence has come by then, also over a slow line */
#define LISTED 500
#define LISTED_FILTERED 5000

const char *const observe_sorts[OBSERVE_SORTS] = {"memory", "mailbox", "handled", "none"};

/* ---------------------------------------------------------------- answers */

static void say(struct observe *observe, const char *format, ...) ANQA_PRINTF(2, 3);

static void say(struct observe *observe, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(observe->message, sizeof observe->message, format, args);
    va_end(args);
    observe->message_until_ms = clock_mono_ms() + MESSAGE_MS;
}

static char *copy(anqa_json json)
{
    char *text = malloc(json.len + 1);

    if (text == NULL)
        cli_quit(CLI_FAILED, "out of memory");
    memcpy(text, json.ptr, json.len);
    text[json.len] = '\0';
    return text;
}

static void answer_clear(struct answer *answer)
{
    free((char *)(uintptr_t)answer->json.ptr);
    *answer = (struct answer){0};
}

static void answer_keep(struct observe *observe, struct answer *answer, anqa_json line)
{
    anqa_json value;
    anqa_str message;

    answer_clear(answer);
    if (anqa_json_get(line, "ok", &value) == ANQA_OK) {
        answer->json = (anqa_json){copy(value), value.len};
    } else if (anqa_json_get(line, "error", &value) == ANQA_OK) {
        message = field_text(observe->cli, value, "message");
        snprintf(answer->error, sizeof answer->error, "%.*s", ANQA_FMT(message));
    }
}

/* The share of its time that each scheduler was busy since the last answer. */
static void system_answered(struct observe *observe)
{
    anqa_json system = observe->answers[ASK_SYSTEM].json;
    uint64_t uptime = anqa_json_uint(system, "uptime_ns", 0), past = uptime - observe->uptime_ns;
    anqa_json_iter it = anqa_json_each(field_json(system, "schedulers"));

    while (anqa_json_next(&it) && it.index < SCHEDULERS_MAX) {
        uint64_t idle = anqa_json_uint(it.value, "idle_ns", 0);
        uint64_t rested = idle - observe->idle_ns[it.index];
        observe->busy[it.index] =
            past == 0 || rested > past ? 0 : 1 - (double)rested / (double)past;
        observe->idle_ns[it.index] = idle;
    }
    observe->uptime_ns = uptime;
}

static void event_keep(struct observe *observe, anqa_json event)
{
    size_t at = (observe->first_event + observe->event_count) % EVENTS_MAX;

    if (observe->event_count == EVENTS_MAX) {
        free(observe->events[at]);
        observe->first_event = (observe->first_event + 1) % EVENTS_MAX;
        observe->event_count--;
    }
    observe->events[at] = copy(event);
    observe->event_count++;
}

static void events_clear(struct observe *observe)
{
    for (size_t i = 0; i < observe->event_count; i++)
        free(observe->events[(observe->first_event + i) % EVENTS_MAX]);
    observe->event_count = 0;
}

static void line_came(struct observe *observe, anqa_json line)
{
    uint64_t id = anqa_json_uint(line, "id", 0);
    anqa_json event;

    for (int i = 0; i < ASK_COUNT_ && id != 0; i++) {
        struct answer *answer = &observe->answers[i];
        if (answer->id != id)
            continue;
        if (anqa_json_get(line, "event", &event) == ANQA_OK) {
            event_keep(observe, event);
            return;
        }
        answer_keep(observe, answer, line);
        if (i == ASK_SYSTEM)
            system_answered(observe);
        if (i == ASK_ACTION && answer->error[0] != '\0')
            say(observe, "%s", answer->error);
        return;
    }
}

/* ---------------------------------------------------------------- the connection */

static void lose(struct observe *observe)
{
    client_close(&observe->client);
    observe->is_connected = false;
    observe->retry_ms = clock_mono_ms() + RETRY_MS;
    for (int i = 0; i < ASK_COUNT_; i++)
        observe->answers[i].id = 0;
}

static void ask(struct observe *observe, enum question question, const char *op, anqa_json args)
{
    struct answer *answer = &observe->answers[question];

    if (!observe->is_connected || answer->id != 0)
        return;
    if (client_send(&observe->client, op, args))
        answer->id = observe->client.last_id;
    else
        lose(observe);
}

static anqa_json target(struct observe *observe)
{
    return json_make(observe->cli, "{'process': %s}", observe->target);
}

static void connected(struct observe *observe)
{
    observe->is_connected = true;
    observe->next_ms = 0;
    observe->uptime_ns = 0;
    ask(observe, ASK_PROGRAM, "ping", ANQA_JSON_EMPTY_OBJECT);
    if (observe->view == VIEW_TRACE)
        ask(observe, ASK_TRACE, "trace", target(observe));
}

static void try_again(struct observe *observe)
{
    observe->retry_ms = clock_mono_ms() + RETRY_MS;
    if (client_open(&observe->client, observe->cli, observe->path) == 0)
        connected(observe);
}

static void hear(struct observe *observe)
{
    bool is_there = client_fill(&observe->client);
    anqa_json line;

    for (;;) {
        if (!client_next(&observe->client, &line)) {
            is_there = false;
            break;
        }
        if (line.len == 0)
            break;
        line_came(observe, line);
    }
    if (!is_there)
        lose(observe);
}

/* What the picture shows is asked for again. */
static void ask_all(struct observe *observe)
{
    struct cli *cli = observe->cli;

    ask(observe, ASK_SYSTEM, "system", ANQA_JSON_EMPTY_OBJECT);
    if (observe->view == VIEW_PROCESSES)
        ask(observe, ASK_PROCESSES, "processes",
            json_make(cli, "{'sort': %s, 'limit': %d}", observe_sorts[observe->sort],
                observe->filter[0] == '\0' ? LISTED : LISTED_FILTERED));
    if (observe->view == VIEW_TREE)
        ask(observe, ASK_TREE, "tree", ANQA_JSON_EMPTY_OBJECT);
    if (observe->view == VIEW_PROCESS) {
        ask(observe, ASK_PROCESS, "info", target(observe));
        ask(observe, ASK_STATE, "state", target(observe));
    }
}

/* ---------------------------------------------------------------- views */

static void cancel(struct observe *observe, enum question question)
{
    struct answer *answer = &observe->answers[question];
    anqa_json line = json_make(observe->cli, "{'id': %" PRIu64 ", 'op': 'cancel'}", answer->id);

    if (answer->id != 0 && observe->is_connected && !client_send_line(&observe->client, line))
        lose(observe);
    answer->id = 0; /* what still comes belongs to nobody */
}

static void view_enter(struct observe *observe, enum view view)
{
    if (observe->view == VIEW_TRACE)
        cancel(observe, ASK_TRACE);
    observe->view = view;
    observe->place = (struct place){0};
    observe->next_ms = 0;
    if (view == VIEW_PROCESSES || view == VIEW_TREE)
        observe->list = view;
    if (view != VIEW_TRACE)
        return;
    events_clear(observe);
    answer_clear(&observe->answers[ASK_TRACE]);
    observe->follows = true;
    ask(observe, ASK_TRACE, "trace", target(observe));
}

/* Looks at one process: what was known of another is forgotten. */
static void process_enter(struct observe *observe, enum view view)
{
    if (observe->view == VIEW_PROCESSES || observe->view == VIEW_TREE) {
        if (observe->chosen[0] == '\0')
            return;
        if (strcmp(observe->target, observe->chosen) != 0) {
            cancel(observe, ASK_PROCESS);
            cancel(observe, ASK_STATE);
            answer_clear(&observe->answers[ASK_PROCESS]);
            answer_clear(&observe->answers[ASK_STATE]);
        }
        memcpy(observe->target, observe->chosen, sizeof observe->target);
    }
    view_enter(observe, view);
}

/* ---------------------------------------------------------------- keys */

static void move(struct observe *observe, long by)
{
    struct place *place = &observe->place;
    long last = place->count == 0 ? 0 : (long)place->count - 1;
    long at = (long)place->at + by;

    place->at = (size_t)(at < 0 ? 0 : at > last ? last : at);
    observe->chosen[0] = '\0'; /* the picture says whose row that is */
    observe->follows = (long)place->at == last;
}

static bool on_move_key(struct observe *observe, int key)
{
    long page = observe->screen.rows > 8 ? observe->screen.rows - 8 : 1;

    switch (key) {
    case KEY_UP:
    case 'k': move(observe, -1); return true;
    case KEY_DOWN:
    case 'j': move(observe, 1); return true;
    case KEY_PAGE_UP:
    case SCREEN_CTRL('b'): move(observe, -page); return true;
    case KEY_PAGE_DOWN:
    case SCREEN_CTRL('f'): move(observe, page); return true;
    case KEY_HOME:
    case 'g': move(observe, -(long)observe->place.count); return true;
    case KEY_END:
    case 'G': move(observe, (long)observe->place.count); return true;
    default: return false;
    }
}

static void on_filter_key(struct observe *observe, int key)
{
    size_t len = strlen(observe->filter);

    if (key == KEY_ENTER || key == KEY_ESCAPE)
        observe->is_typing = false;
    if (key == KEY_ESCAPE)
        observe->filter[0] = '\0';
    if (key == KEY_BACKSPACE && len > 0)
        observe->filter[len - 1] = '\0';
    if (key >= ' ' && key < KEY_BACKSPACE && len + 1 < sizeof observe->filter) {
        observe->filter[len] = (char)key;
        observe->filter[len + 1] = '\0';
    }
    observe->place.at = 0;
    observe->next_ms = 0;
}

static void act(struct observe *observe, const char *op, const char *done)
{
    if (!observe->is_connected)
        return;
    ask(observe, ASK_ACTION, op, target(observe));
    say(observe, "%s %s", observe->target, done);
    observe->next_ms = 0;
}

static void on_confirm_key(struct observe *observe, int key)
{
    enum confirm confirm = observe->confirm;

    observe->confirm = CONFIRM_NONE;
    if (key != 'y' && key != 'Y')
        say(observe, "nothing done");
    else if (confirm == CONFIRM_KILL)
        act(observe, "kill", "is told to end");
    else
        act(observe, "suspend", "is told to wait: R has it go on");
}

/* What is done to a process: the chosen one of a list, or the one that is looked at. */
static void begin_action(struct observe *observe, int key)
{
    if (observe->view == VIEW_PROCESSES || observe->view == VIEW_TREE)
        memcpy(observe->target, observe->chosen, sizeof observe->target);
    if (observe->target[0] == '\0')
        return;
    if (key == 'R')
        act(observe, "resume", "goes on");
    else
        observe->confirm = key == 'K' ? CONFIRM_KILL : CONFIRM_SUSPEND;
}

static void leave(struct observe *observe)
{
    if (observe->view == VIEW_HELP) {
        observe->view = observe->before_help;
        observe->place = observe->place_before_help;
    } else if (observe->view == VIEW_PROCESS || observe->view == VIEW_TRACE) {
        view_enter(observe, observe->list);
    } else {
        observe->filter[0] = '\0';
    }
}

static void help_enter(struct observe *observe)
{
    observe->before_help = observe->view;
    observe->place_before_help = observe->place;
    observe->view = VIEW_HELP;
    observe->place = (struct place){0};
}

static void on_list_key(struct observe *observe, int key)
{
    switch (key) {
    case '\t': view_enter(observe, observe->view == VIEW_TREE ? VIEW_PROCESSES : VIEW_TREE); return;
    case '/': observe->is_typing = true; return;
    case KEY_RIGHT:
    case 's':
    case KEY_LEFT:
        observe->sort = (observe->sort + (key == KEY_LEFT ? OBSERVE_SORTS - 1 : 1)) % OBSERVE_SORTS;
        observe->place.at = 0;
        observe->chosen[0] = '\0';
        observe->next_ms = 0;
        return;
    default: return;
    }
}

static void on_common_key(struct observe *observe, int key)
{
    switch (key) {
    case '?':
    case 'h': help_enter(observe); return;
    case KEY_ESCAPE:
    case KEY_BACKSPACE: leave(observe); return;
    case KEY_ENTER: process_enter(observe, VIEW_PROCESS); return;
    case 't': process_enter(observe, VIEW_TRACE); return;
    case 'S':
    case 'R':
    case 'K': begin_action(observe, key); return;
    case '+': observe->interval_ms *= observe->interval_ms < INTERVAL_MAX_MS ? 2 : 1; return;
    case '-':
        observe->interval_ms /= observe->interval_ms > INTERVAL_MIN_MS ? 2 : 1;
        observe->next_ms = 0;
        return;
    case ' ': observe->is_paused = !observe->is_paused; return;
    default:
        if (observe->view == VIEW_PROCESSES || observe->view == VIEW_TREE)
            on_list_key(observe, key);
        return;
    }
}

/* Until the shell has us go on. */
static void stop(struct observe *observe)
{
    screen_suspend();
    raise(SIGSTOP);
    screen_resume(&observe->screen);
}

/* False: the end. */
static bool on_key(struct observe *observe, int key)
{
    if (key == SCREEN_CTRL('c'))
        return false;
    if (key == SCREEN_CTRL('z')) {
        stop(observe);
    } else if (key == SCREEN_CTRL('l')) {
        screen_measure(&observe->screen);
    } else if (observe->confirm != CONFIRM_NONE) {
        on_confirm_key(observe, key);
    } else if (observe->is_typing) {
        on_filter_key(observe, key);
    } else if (key == 'q') {
        return false;
    } else if (on_move_key(observe, key)) {
        return true;
    } else if (observe->view == VIEW_HELP) {
        leave(observe);
    } else {
        on_common_key(observe, key);
    }
    return true;
}

/* Each key finds the picture that the one before has led to: that says which row is chosen. */
static bool on_keys(struct observe *observe, bool all)
{
    int key;

    while ((key = screen_key(&observe->screen, all)) != KEY_NONE) {
        if (!on_key(observe, key))
            return false;
        observe_draw(observe);
    }
    return true;
}

/* ---------------------------------------------------------------- the loop */

static int signals_begin(void)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGHUP);
    sigaddset(&mask, SIGWINCH);
    sigaddset(&mask, SIGTSTP);
    sigaddset(&mask, SIGCONT);
    sigaddset(&mask, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* False: one that ends us. */
static bool on_signals(struct observe *observe, int fd)
{
    struct signalfd_siginfo info;

    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
        switch (info.ssi_signo) {
        case SIGWINCH: screen_measure(&observe->screen); break;
        case SIGTSTP: stop(observe); break;
        case SIGCONT:
            screen_resume(&observe->screen);
            break; /* others may have used the terminal */
        default: return false;
        }
    }
    return true;
}

static int wait_ms(const struct observe *observe, uint64_t now)
{
    uint64_t due = observe->is_paused ? now + INTERVAL_MAX_MS : observe->next_ms;

    if (observe->screen.key_count > 0)
        return ESCAPE_MS;
    if (!observe->is_connected && observe->retry_ms < due)
        due = observe->retry_ms;
    if (observe->message_until_ms > now && observe->message_until_ms < due)
        due = observe->message_until_ms;
    return due > now ? (int)(due - now) : 0;
}

static void on_time(struct observe *observe, uint64_t now)
{
    if (!observe->is_connected && now >= observe->retry_ms)
        try_again(observe);
    if (observe->is_paused || now < observe->next_ms)
        return;
    observe->next_ms = now + observe->interval_ms;
    ask_all(observe);
}

static void run(struct observe *observe, int signals)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = signals, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    int ready;

    for (;;) {
        on_time(observe, clock_mono_ms());
        observe_draw(observe);
        fds[2].fd = observe->is_connected ? observe->client.fd : -1;
        ready = poll(fds, ANQA_COUNT(fds), wait_ms(observe, clock_mono_ms()));
        if (ready < 0 && errno != EINTR)
            return;
        if (fds[1].revents != 0 && !on_signals(observe, signals))
            return;
        if (fds[2].revents != 0 && observe->is_connected)
            hear(observe);
        if (fds[0].revents != 0 && !screen_read(&observe->screen))
            return;
        if (!on_keys(observe, ready == 0))
            return;
    }
}

static void observe_done(struct observe *observe)
{
    if (observe->is_connected)
        client_close(&observe->client);
    events_clear(observe);
    for (int i = 0; i < ASK_COUNT_; i++)
        answer_clear(&observe->answers[i]);
    screen_close(&observe->screen);
}

static enum cli_status observe_run(struct observe *observe)
{
    int signals = signals_begin();

    observe->path = strdup(observe->client.path);
    if (observe->path == NULL || signals < 0 || !screen_open(&observe->screen, observe->cli)) {
        client_close(&observe->client);
        return cli_fail(CLI_FAILED, "observe needs a terminal");
    }
    observe->client.path = observe->path;
    connected(observe);
    run(observe, signals);
    observe_done(observe);
    close(signals);
    return CLI_OK;
}

enum cli_status command_observe(struct cli *cli)
{
    struct observe observe = {
        .cli = cli, .interval_ms = args_number(cli, "interval", INTERVAL_MS, INTERVAL_MAX_MS)};
    enum cli_status status;

    if (!args_are(cli, 0, 0))
        return CLI_USAGE;
    if (cli->json)
        return cli_fail(
            CLI_USAGE, "observe is for people; see 'anqa help' for what answers as JSON");
    observe.interval_ms =
        observe.interval_ms < INTERVAL_MIN_MS ? INTERVAL_MIN_MS : observe.interval_ms;
    status = client_find(&observe.client, cli);
    if (status != CLI_OK)
        return status;
    status = observe_run(&observe);
    free(observe.path);
    return status;
}
