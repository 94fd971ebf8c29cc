#include "telemetry/log.h"

#include "base/clock.h"
#include "telemetry/log_fields.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * From a call to a line:
 *
 *     caller:  burst limit -> format on its stack -> ring --(thread runs?)--> logger thread -> sink
 *                                                      \--(no)--> sink, under sink_lock
 *
 * The ring takes many writers and many readers (the logger thread, and who drains it while the program dies). A slot's
 * turn says whose it is: 2 * lap is free for the writer of that lap, 2 * lap + 1 full, 2 * lap + 2 free for the next lap.
 * A writer copies a finished record, without touching anything of the caller's, so it cannot be stopped in between for
 * longer than the kernel takes its CPU away.
 */

#define RING_SLOTS ((size_t)512)
#define HAND_WAITS 100
#define HAND_WAIT_MS 5
#define ID_ROOM 64
#define LINE_ROOM 10240 /* fields of 1.5 KB grow at most five times as JSON */

struct record {
    uint64_t time_us, pid;
    anqa_log_level level;
    uint16_t fields_len, label_len;
    char id[ID_ROOM];
    char pid_text[LOG_PID_TEXT];
    char label[LOG_LABEL];
    char fields[LOG_FIELDS_MAX + 1 + LOG_METADATA_MAX]; /* last: only what is used is copied */
};

struct slot {
    atomic_size_t turn;
    struct record record;
};

static struct slot ring[RING_SLOTS];
static atomic_size_t ring_tail; /* next position to write */
static atomic_size_t ring_head; /* next position to read */

int anqa_log_threshold_ = ANQA_NOTICE;

static _Atomic(void (*)(struct log_context *)) context_hook;
static atomic_uint format_now;                                      /* an anqa_log_format */
static atomic_uint_fast64_t burst_now = (uint64_t)500 << 32 | 1000; /* limit, window in ms */

static atomic_uint_fast64_t written_directly, dropped, bursts;

/* The thread. start_lock guards users and thread. */
static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned users;
static pthread_t thread;
static atomic_bool running;             /* records go into the ring */
static atomic_bool stopping;            /* the thread ends once the ring is empty */
static atomic_uint_fast64_t give_up_at; /* monotonic ms; 0: never */
static atomic_size_t
    submitting;           /* callers between their look at `running` and the end of their push */
static atomic_uint hand;  /* odd: the thread may have a record that nobody has written yet */
static atomic_int asleep; /* 1: the thread waits on this word */

/* Who waits for a flush. flush_lock guards nothing but the condition. */
static pthread_mutex_t flush_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t flush_done;
static pthread_once_t flush_once = PTHREAD_ONCE_INIT;
static atomic_uint flush_waiters;
static atomic_size_t delivered; /* ring position up to which sinks are done */

/* sink_lock guards sink, sink_ctx and line, and is held while a sink runs. */
static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER;
static anqa_log_sink sink;
static void *sink_ctx;
static char line[LINE_ROOM];
static _Thread_local bool in_sink; /* this thread holds sink_lock */

/* ---------------------------------------------------------------- settings */

static const char *const level_names[] = {
    "emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"};

const char *anqa_log_level_name(anqa_log_level level)
{
    return level >= 0 && (size_t)level < ANQA_COUNT(level_names) ? level_names[level] : "none";
}

void anqa_log_set_level(anqa_log_level level)
{
    __atomic_store_n(&anqa_log_threshold_, (int)level, __ATOMIC_RELAXED);
}

anqa_log_level anqa_log_get_level(void)
{
    return (anqa_log_level)__atomic_load_n(&anqa_log_threshold_, __ATOMIC_RELAXED);
}

void anqa_log_set_format(anqa_log_format format)
{
    atomic_store_explicit(&format_now, format, memory_order_relaxed);
}

void anqa_log_set_burst(uint32_t limit, uint32_t window_ms)
{
    uint64_t setting =
        (uint64_t)(limit > 0xfff0 ? 0xfff0 : limit) << 32 | (window_ms == 0 ? 1 : window_ms);

    atomic_store_explicit(&burst_now, setting, memory_order_relaxed);
}

void log_set_context_hook(void (*hook)(struct log_context *context))
{
    atomic_store_explicit(&context_hook, hook, memory_order_release); /* pairs with find_context */
}

anqa_log_counts anqa_log_get_counts(void)
{
    return (anqa_log_counts){
        .accepted = atomic_load_explicit(&written_directly, memory_order_relaxed) +
                    atomic_load_explicit(&ring_tail, memory_order_relaxed),
        .dropped = atomic_load_explicit(&dropped, memory_order_relaxed),
        .bursts = atomic_load_explicit(&bursts, memory_order_relaxed),
    };
}

static const char *const level_choices[] = {
    "none", "emergency", "alert", "critical", "error", "warning", "notice", "info", "debug", NULL};
static const char *const format_choices[] = {"text", "json", NULL};

const anqa_config_option log_config_options[] = {
    {.name = "level",
        .type = ANQA_CONFIG_ENUM,
        ANQA_CONFIG_AT(struct log_config, level),
        .standard = "notice",
        .choices = level_choices,
        .doc = "least severe level that is logged"},
    {.name = "format",
        .type = ANQA_CONFIG_ENUM,
        ANQA_CONFIG_AT(struct log_config, format),
        .choices = format_choices,
        .doc = "how lines are written"},
    {.name = "burst_limit",
        .type = ANQA_CONFIG_UINT,
        ANQA_CONFIG_AT(struct log_config, burst_limit),
        .standard = "500",
        .min = 0,
        .max = 65520,
        .doc = "events of one id in a burst window; 0: no limit"},
    {.name = "burst_window",
        .type = ANQA_CONFIG_DURATION,
        ANQA_CONFIG_AT(struct log_config, burst_window_ms),
        .standard = "1s",
        .min = 1,
        .max = 3600000,
        .doc = "length of a burst window"},
    {0},
};

void log_configure(const struct log_config *config)
{
    anqa_log_set_level((anqa_log_level)(config->level - 1)); /* the first choice is "none" */
    anqa_log_set_format((anqa_log_format)config->format);
    anqa_log_set_burst((uint32_t)config->burst_limit, (uint32_t)config->burst_window_ms);
}

/* ---------------------------------------------------------------- ring */

static void record_copy(struct record *to, const struct record *from)
{
    memcpy(to, from, offsetof(struct record, fields) + from->fields_len);
}

static bool ring_push(const struct record *record)
{
    size_t at = atomic_load_explicit(&ring_tail, memory_order_relaxed);

    for (;;) {
        struct slot *slot = &ring[at % RING_SLOTS];
        size_t lap = at / RING_SLOTS;
        size_t turn = atomic_load_explicit(
            &slot->turn, memory_order_acquire); /* pairs with ring_pop's release */
        if (turn < 2 * lap)
            return false; /* the reader is a whole lap behind: full */
        if (turn > 2 * lap) {
            at = atomic_load_explicit(&ring_tail, memory_order_relaxed);
            continue;
        }
        if (!atomic_compare_exchange_weak_explicit(
                &ring_tail, &at, at + 1, memory_order_relaxed, memory_order_relaxed))
            continue;
        record_copy(&slot->record, record);
        /* Release pairs with ring_pop's acquire; sequentially consistent because of wake and sleep_until_woken. */
        atomic_store_explicit(&slot->turn, 2 * lap + 1, memory_order_seq_cst);
        return true;
    }
}

static bool ring_pop(struct record *ret_record, size_t *ret_at)
{
    /* acquire: what its last taker has said before it took, see take */
    size_t at = atomic_load_explicit(&ring_head, memory_order_acquire);

    for (;;) {
        struct slot *slot = &ring[at % RING_SLOTS];
        size_t lap = at / RING_SLOTS;
        size_t turn = atomic_load_explicit(
            &slot->turn, memory_order_acquire); /* pairs with ring_push's store */
        if (turn < 2 * lap + 1)
            return false; /* empty, or its writer has not finished */
        if (turn > 2 * lap + 1) {
            at = atomic_load_explicit(&ring_head, memory_order_acquire);
            continue;
        }
        if (!atomic_compare_exchange_weak_explicit(
                &ring_head, &at, at + 1, memory_order_acq_rel, memory_order_acquire))
            continue;
        record_copy(ret_record, &slot->record);
        atomic_store_explicit(
            &slot->turn, 2 * lap + 2, memory_order_release); /* pairs with ring_push's acquire */
        *ret_at = at;
        return true;
    }
}

static bool ring_has_next(void)
{
    size_t at = atomic_load_explicit(&ring_head, memory_order_relaxed);

    /* Pairs with ring_push's store, see wake. */
    return atomic_load_explicit(&ring[at % RING_SLOTS].turn, memory_order_seq_cst) >
           2 * (at / RING_SLOTS);
}

/* ---------------------------------------------------------------- lines */

static void out_digits(struct log_out *out, unsigned value, size_t digits)
{
    char text[10];

    for (size_t i = digits; i > 0; i--, value /= 10)
        text[i - 1] = (char)('0' + value % 10);
    log_out_bytes(out, text, digits);
}

/* "2026-03-01T12:00:00.123Z". The date is counted in years that begin in March, so that leap days come last: 400 of them
 * have 146097 days, and month m of such a year begins on its day (153 m + 2) / 5. */
static void out_time(struct log_out *out, uint64_t time_us)
{
    uint64_t ms = time_us / 1000, day = ms / 86400000 + 719468; /* from 1 March of year 0 */
    unsigned in_day = (unsigned)(ms % 86400000);
    uint64_t era = day / 146097;
    unsigned in_era = (unsigned)(day % 146097);
    unsigned year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    unsigned in_year = in_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * in_year + 2) / 153;

    out_digits(out, (unsigned)(era * 400) + year + (month >= 10), 4);
    log_out_text(out, "-");
    out_digits(out, month < 10 ? month + 3 : month - 9, 2);
    log_out_text(out, "-");
    out_digits(out, in_year - (153 * month + 2) / 5 + 1, 2);
    log_out_text(out, "T");
    out_digits(out, in_day / 3600000, 2);
    log_out_text(out, ":");
    out_digits(out, in_day / 60000 % 60, 2);
    log_out_text(out, ":");
    out_digits(out, in_day / 1000 % 60, 2);
    log_out_text(out, ".");
    out_digits(out, in_day % 1000, 3);
    log_out_text(out, "Z");
}

static void out_text_line(struct log_out *out, const anqa_log_event *event)
{
    out_time(out, event->time_us);
    log_out_text(out, " ");
    log_out_text(out, anqa_log_level_name(event->level));
    log_out_text(out, " ");
    log_out_text(out, event->id);
    if (event->pid_text.len != 0) {
        log_out_text(out, " pid=");
        log_out_value(out, event->pid_text);
    }
    if (event->label.len != 0) {
        log_out_text(out, " label=");
        log_out_value(out, event->label);
    }
    if (event->fields.len != 0)
        log_out_text(out, " ");
    log_out_bytes(out, event->fields.ptr, event->fields.len);
}

static void out_json_member(struct log_out *out, const char *key, anqa_str bytes)
{
    char value[6 * LOG_LABEL + 2];
    struct log_out escaped = {value, 0, sizeof value};

    log_out_value(&escaped, bytes);
    log_out_text(out, key);
    log_out_json_string(out, anqa_str_make(value, escaped.len));
}

static void out_json_line(struct log_out *out, const anqa_log_event *event)
{
    log_out_text(out, "{\"time\":\"");
    out_time(out, event->time_us);
    log_out_text(out, "\",\"level\":\"");
    log_out_text(out, anqa_log_level_name(event->level));
    out_json_member(out, "\",\"id\":", anqa_str_of(event->id));
    if (event->pid_text.len != 0)
        out_json_member(out, ",\"pid\":", event->pid_text);
    if (event->label.len != 0)
        out_json_member(out, ",\"label\":", event->label);
    log_out_text(out, ",\"fields\":");
    log_out_json_fields(out, event->fields);
    log_out_text(out, "}");
}

size_t anqa_log_format_line(
    anqa_log_format format, const anqa_log_event *event, char *text, size_t size)
{
    struct log_out out = {text, 0, size < 2 ? 0 : size - 2};

    if (size == 0)
        return 0;
    if (format == ANQA_LOG_JSON)
        out_json_line(&out, event);
    else
        out_text_line(&out, event);
    if (size >= 2)
        text[out.len++] = '\n';
    text[out.len] = '\0';
    return out.len;
}

static anqa_log_event event_of(const struct record *r)
{
    return (anqa_log_event){
        .level = r->level,
        .id = r->id,
        .time_us = r->time_us,
        .pid = r->pid,
        .pid_text = anqa_str_of(r->pid_text),
        .label = anqa_str_make(r->label, r->label_len),
        .fields = anqa_str_make(r->fields, r->fields_len),
    };
}

/* ---------------------------------------------------------------- stderr */

/* Waits a moment until stderr takes bytes. A pipe says so when it has room for PIPE_BUF of them, which a line rarely
 * exceeds; so the write behind it does not wait, and stopping can give up. */
static bool stderr_ready(int timeout_ms)
{
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    int n = poll(&fd, 1, timeout_ms);

    return n > 0 || (n < 0 && errno != EINTR); /* on an error the write will tell which */
}

static bool too_late(void)
{
    uint64_t at = atomic_load_explicit(&give_up_at, memory_order_relaxed);

    return at != 0 && clock_mono_ms() >= at;
}

static bool write_stderr(const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = 0;
        if (stderr_ready(too_late() ? 0 : 50))
            n = write(STDERR_FILENO, bytes, len);
        else if (too_late())
            return false;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

void log_write_now(const char *bytes, size_t len)
{
    int saved = errno, waits = 0;

    while (len > 0 && waits < 10) {
        ssize_t n = 0;
        if (!stderr_ready(10)) {
            waits++;
            continue;
        }
        n = write(STDERR_FILENO, bytes, len);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            break;
        waits += n <= 0;
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    errno = saved;
}

/* What the thread has taken is not in the ring any more: it gets a moment to write it, unless it is the one that dies. */
static void wait_for_hand(void)
{
    unsigned seen = atomic_load_explicit(&hand, memory_order_acquire); /* pairs with take */

    for (int i = 0; i < HAND_WAITS && seen % 2 == 1 && !in_sink; i++) {
        if (atomic_load_explicit(&hand, memory_order_acquire) != seen)
            return;
        (void)poll(NULL, 0, HAND_WAIT_MS);
    }
}

void log_drain_now(void)
{
    struct record record;
    char text[LOG_FIELDS_MAX + LOG_METADATA_MAX + 512];
    size_t at;

    while (ring_pop(&record, &at)) {
        anqa_log_event event = event_of(&record);
        log_write_now(text, anqa_log_format_line(ANQA_LOG_TEXT, &event, text, sizeof text));
    }
    wait_for_hand();
}

/* ---------------------------------------------------------------- sinks */

/* Gives a record to the sink. False: it could not be written. */
static bool deliver(const struct record *record)
{
    anqa_log_event event = event_of(record);
    bool done = true;

    pthread_mutex_lock(&sink_lock);
    in_sink = true;
    if (sink != NULL) {
        sink(sink_ctx, &event);
    } else {
        anqa_log_format format =
            (anqa_log_format)atomic_load_explicit(&format_now, memory_order_relaxed);
        done = write_stderr(line, anqa_log_format_line(format, &event, line, sizeof line));
    }
    in_sink = false;
    pthread_mutex_unlock(&sink_lock);
    return done;
}

void anqa_log_set_sink(anqa_log_sink new_sink, void *ctx)
{
    bool locked = in_sink; /* called by a sink: this thread holds the lock */

    if (!locked)
        pthread_mutex_lock(&sink_lock);
    sink = new_sink;
    sink_ctx = ctx;
    if (!locked)
        pthread_mutex_unlock(&sink_lock);
}

/* ---------------------------------------------------------------- burst limit */

/* A table of counters that ids are hashed into; each tells whose it is and in which window:
 *
 *     63      40 39       16 15     0
 *     | id hash | window    | count |
 *
 * When two ids meet in one counter, the one that came first in this window is limited and the other is let through. */
#define BURST_SLOTS 256
static atomic_uint_fast64_t burst_slots[BURST_SLOTS];

/* Ids are ours, and short: eight bytes a step, as each step waits for the one before, and what is dropped should cost
 * little. The shift brings the upper bytes of a word to where the slot is chosen. */
static uint64_t hash_id(const char *id)
{
    size_t len = strlen(id);
    uint64_t hash = 0xcbf29ce484222325u ^ len, word;

    for (; len > sizeof word; id += sizeof word, len -= sizeof word) {
        memcpy(&word, id, sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    word = 0;
    memcpy(&word, id, len);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}

/* Which window it is. Long ones need no clock that is exact to the millisecond. */
static uint64_t burst_window(uint32_t window_ms)
{
    return (window_ms < 500 ? clock_mono_ms() : clock_mono_coarse_ms()) / window_ms & 0xffffff;
}

enum burst { BURST_PASS, BURST_BEGINS, BURST_OVER };

static enum burst burst_count(const char *id, uint32_t limit, uint32_t window_ms)
{
    uint64_t hash = hash_id(id), owner = hash >> 40 << 40;
    uint64_t stamp = owner | burst_window(window_ms) << 16;
    atomic_uint_fast64_t *slot = &burst_slots[hash % BURST_SLOTS];
    uint64_t old = atomic_load_explicit(slot, memory_order_relaxed), new;

    do {
        bool same_window = (old >> 16 & 0xffffff) == (stamp >> 16 & 0xffffff);
        if (same_window && old >> 40 << 40 != owner && (old & 0xffff) != 0)
            return BURST_PASS;
        if (same_window && old >> 40 << 40 == owner && (old & 0xffff) > limit)
            return BURST_OVER;
        new = same_window &&old >> 40 << 40 == owner ? old + 1 : stamp | 1;
    } while (!atomic_compare_exchange_weak_explicit(
        slot, &old, new, memory_order_relaxed, memory_order_relaxed));
    return (new & 0xffff) > limit ? BURST_BEGINS : BURST_PASS;
}

/* ---------------------------------------------------------------- calls */

/* Only after a push: that store, this load, and on the other side the store to asleep and the load of ring_has_next are
 * in one order, so either the thread sees the record or this sees the thread asleep. */
static void wake(void)
{
    if (atomic_load_explicit(&asleep, memory_order_seq_cst) == 0)
        return;
    if (atomic_exchange_explicit(&asleep, 0, memory_order_seq_cst) == 1)
        syscall(SYS_futex, &asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void submit(const struct record *record)
{
    bool queued, pushed = false;

    /* Pairs with log_thread_stop: either it waits for us, or we see that nothing runs any more. */
    atomic_fetch_add_explicit(&submitting, 1, memory_order_seq_cst);
    queued = atomic_load_explicit(&running, memory_order_seq_cst);
    if (queued)
        pushed = ring_push(record);
    if (queued &&
        !pushed) /* counted before log_thread_stop goes on, so that the last report is right */
        atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(
        &submitting, 1, memory_order_release); /* pairs with log_thread_stop's acquire */
    if (!queued) {
        atomic_fetch_add_explicit(&written_directly, 1, memory_order_relaxed);
        deliver(record);
        return;
    }
    wake();
}

static void fill_who(struct record *r, const struct log_context *who)
{
    r->pid = who->pid;
    memcpy(r->pid_text, who->pid_text, sizeof r->pid_text);
    r->pid_text[sizeof r->pid_text - 1] = '\0';
    r->label_len = (uint16_t)(who->label_len < LOG_LABEL ? who->label_len : LOG_LABEL);
    memcpy(r->label, who->label, r->label_len);
}

static void add_metadata(struct record *r, const struct log_context *who)
{
    if (who->metadata_len == 0)
        return;
    if (r->fields_len != 0)
        r->fields[r->fields_len++] = ' ';
    memcpy(r->fields + r->fields_len, who->metadata, who->metadata_len);
    r->fields_len = (uint16_t)(r->fields_len + who->metadata_len);
}

static void find_context(struct log_context *ret_context)
{
    /* Pairs with log_set_context_hook. */
    void (*hook)(struct log_context *) = atomic_load_explicit(&context_hook, memory_order_acquire);

    ret_context->pid = 0;
    ret_context->pid_text[0] = '\0';
    ret_context->label_len = ret_context->metadata_len = 0;
    if (hook != NULL)
        hook(ret_context);
}

static void fill_head(struct record *r, anqa_log_level level, const char *id)
{
    size_t len = strnlen(id, ID_ROOM - 1);

    r->time_us = clock_wall_ns() / 1000;
    r->level = level;
    memcpy(r->id, id, len);
    r->id[len] = '\0';
}

/* An event of the logger's own, about no process. */
static void ANQA_PRINTF(3, 4) note(struct record *r, const char *id, const char *format, ...)
{
    va_list args;

    r->pid = 0;
    r->pid_text[0] = '\0';
    r->label_len = 0;
    fill_head(r, ANQA_WARN, id);
    va_start(args, format);
    r->fields_len = (uint16_t)log_fields_format(r->fields, 0, format, args);
    va_end(args);
}

static bool over_burst_limit(struct record *scratch, anqa_log_level level, const char *id)
{
    uint64_t setting = atomic_load_explicit(&burst_now, memory_order_relaxed);
    uint32_t limit = (uint32_t)(setting >> 32), window_ms = (uint32_t)setting;
    enum burst burst;

    if (limit == 0 || level <= ANQA_CRITICAL)
        return false;
    burst = burst_count(id, limit, window_ms);
    if (burst == BURST_PASS)
        return false;
    atomic_fetch_add_explicit(&bursts, 1, memory_order_relaxed);
    if (burst == BURST_BEGINS) {
        note(scratch, "log.burst", "event=%s limit=%u window_ms=%u next=dropped", id, limit,
            window_ms);
        submit(scratch);
    }
    return true;
}

/* False: it is dropped, and counted. */
static bool begin_record(struct record *record, anqa_log_level level, const char *id)
{
    if (in_sink) {
        atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
        return false;
    }
    if (over_burst_limit(record, level, id))
        return false;
    fill_head(record, level, id);
    return true;
}

void log_write_fields(
    const struct log_context *who, anqa_log_level level, const char *id, anqa_str fields)
{
    int saved = errno;
    struct log_context context;
    struct record record;

    if (begin_record(&record, level, id)) {
        if (who == NULL) {
            find_context(&context);
            who = &context;
        }
        fill_who(&record, who);
        record.fields_len = (uint16_t)(fields.len < LOG_FIELDS_MAX ? fields.len : LOG_FIELDS_MAX);
        memcpy(record.fields, fields.ptr, record.fields_len);
        add_metadata(&record, who);
        submit(&record);
    }
    errno = saved;
}

void anqa_log_vwrite(anqa_log_level level, const char *id, const char *format, va_list args)
{
    int saved = errno;
    struct log_context context;
    struct record record;

    if (begin_record(&record, level, id)) {
        find_context(&context);
        fill_who(&record, &context);
        record.fields_len = (uint16_t)log_fields_format(record.fields, saved, format, args);
        add_metadata(&record, &context);
        submit(&record);
    }
    errno = saved;
}

void anqa_log_write(anqa_log_level level, const char *id, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    anqa_log_vwrite(level, id, format, args);
    va_end(args);
}

/* ---------------------------------------------------------------- thread */

/* What the thread has told of lost events so far. */
struct reported {
    uint64_t dropped, bursts, at_ms;
};

/* At most once a second while records keep coming; then once they stop. */
static void report_losses(struct reported *last, bool idle)
{
    uint64_t lost = atomic_load_explicit(&dropped, memory_order_relaxed);
    uint64_t over = atomic_load_explicit(&bursts, memory_order_relaxed);
    struct record record;

    if (lost == last->dropped && over == last->bursts)
        return;
    if (!idle && clock_mono_ms() - last->at_ms < 1000)
        return;
    note(&record, "log.dropped", "count=%" PRIu64 " bursts=%" PRIu64, lost - last->dropped,
        over - last->bursts);
    *last = (struct reported){lost, over, clock_mono_ms()};
    deliver(&record);
}

static void tell_flushers(size_t position)
{
    /* Pairs with log_flush, as wake does with sleep_until_woken. */
    atomic_store_explicit(&delivered, position, memory_order_seq_cst);
    if (atomic_load_explicit(&flush_waiters, memory_order_seq_cst) == 0)
        return;
    pthread_mutex_lock(&flush_lock);
    pthread_cond_broadcast(&flush_done);
    pthread_mutex_unlock(&flush_lock);
}

static void hand_over(void)
{
    atomic_fetch_add_explicit(&hand, 1, memory_order_release); /* pairs with wait_for_hand */
}

static void sleep_until_woken(void)
{
    atomic_store_explicit(&asleep, 1, memory_order_seq_cst); /* pairs with wake */
    if (!ring_has_next() && !atomic_load_explicit(&stopping, memory_order_seq_cst))
        syscall(SYS_futex, &asleep, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
    atomic_store_explicit(&asleep, 0, memory_order_relaxed);
}

/* It is said before anything is taken: who finds the ring empty behind that knows of it. Pairs with wait_for_hand. */
static bool take(struct record *record, size_t *ret_at)
{
    atomic_fetch_add_explicit(&hand, 1, memory_order_release);
    if (ring_pop(record, ret_at))
        return true;
    hand_over();
    return false;
}

static void *logger_main(void *reported)
{
    struct reported *last = reported;
    struct record record;
    size_t at;

    for (;;) {
        /* Pairs with log_thread_stop, which sets it when nobody pushes any more: one more round gets everything. */
        bool last_round = atomic_load_explicit(&stopping, memory_order_acquire);
        while (take(&record, &at)) {
            if (!deliver(&record))
                atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
            hand_over();
            tell_flushers(at + 1);
            report_losses(last, false);
        }
        report_losses(last, true);
        if (last_round)
            return NULL;
        sleep_until_woken();
    }
}

static void flush_init(void)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&flush_done, &attr);
    pthread_condattr_destroy(&attr);
}

/* The thread takes no signals: those are for threads that know what they mean. */
static int thread_create(void)
{
    static struct reported reported; /* goes on over restarts: counts are never told twice */
    sigset_t all, before;
    int errnum;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errnum = pthread_create(&thread, NULL, logger_main, &reported);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (errnum == 0)
        pthread_setname_np(thread, "anqa-log");
    return errnum;
}

anqa_status log_thread_start(anqa_error *err)
{
    anqa_status s = ANQA_OK;
    int errnum;

    pthread_once(&flush_once, flush_init);
    pthread_mutex_lock(&start_lock);
    if (users == 0) {
        atomic_store_explicit(&stopping, false, memory_order_relaxed);
        atomic_store_explicit(&give_up_at, 0, memory_order_relaxed);
        errnum = thread_create();
        if (errnum != 0)
            s = anqa_fail_errno(err, errnum, "cannot start the logger's thread");
        else
            atomic_store_explicit(&running, true, memory_order_seq_cst); /* pairs with submit */
    }
    if (s == ANQA_OK)
        users++;
    pthread_mutex_unlock(&start_lock);
    return s;
}

void log_thread_stop(uint32_t timeout_ms)
{
    pthread_mutex_lock(&start_lock);
    users -= users != 0;
    if (users != 0 || !atomic_load_explicit(&running, memory_order_relaxed)) {
        pthread_mutex_unlock(&start_lock);
        return;
    }
    if (timeout_ms != ANQA_INFINITY)
        atomic_store_explicit(&give_up_at, clock_mono_ms() + timeout_ms, memory_order_relaxed);
    atomic_store_explicit(&running, false, memory_order_seq_cst); /* pairs with submit */
    /* Pairs with submit's release: who saw `running` set has pushed then. It holds this for a copy of 1 KB only. */
    while (atomic_load_explicit(&submitting, memory_order_seq_cst) != 0)
        sched_yield();
    atomic_store_explicit(&stopping, true, memory_order_seq_cst); /* pairs with sleep_until_woken */
    wake();
    pthread_join(thread, NULL);
    atomic_store_explicit(&give_up_at, 0, memory_order_relaxed);
    pthread_mutex_unlock(&start_lock);
}

anqa_status log_flush(uint32_t timeout_ms)
{
    size_t target = atomic_load_explicit(&ring_tail, memory_order_seq_cst);
    uint64_t until = clock_mono_ns() + (uint64_t)timeout_ms * 1000000;
    struct timespec deadline = {
        .tv_sec = (time_t)(until / 1000000000), .tv_nsec = (long)(until % 1000000000)};
    int errnum = 0;

    if (!atomic_load_explicit(&running, memory_order_seq_cst))
        return ANQA_OK;
    pthread_mutex_lock(&flush_lock);
    atomic_fetch_add_explicit(
        &flush_waiters, 1, memory_order_seq_cst); /* pairs with tell_flushers */
    while (atomic_load_explicit(&delivered, memory_order_seq_cst) < target && errnum == 0) {
        if (timeout_ms == ANQA_INFINITY)
            pthread_cond_wait(&flush_done, &flush_lock);
        else
            errnum = pthread_cond_timedwait(&flush_done, &flush_lock, &deadline);
    }
    atomic_fetch_sub_explicit(&flush_waiters, 1, memory_order_relaxed);
    pthread_mutex_unlock(&flush_lock);
    return errnum == 0 ? ANQA_OK : ANQA_E_TIMEOUT;
}
