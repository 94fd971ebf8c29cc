/**
 * anqa/test.h - tests of your own code: processes, supervisors, channels and requests, with a clock that stands still.
 *
 *     #include <anqa/test.h>
 *
 *     ANQA_TEST(a_client_hears_what_it_said)
 *     {
 *         anqa_test_socket *socket = anqa_test_connect(&user_socket, ANQA_JSON_NULL);
 *         anqa_test_channel *room = anqa_test_subscribe_and_join(socket, "room:lobby", ANQA_JSON_NULL, NULL);
 *         anqa_test_ref ref = anqa_test_push(room, "say", anqa_jsonf("{'body': 'hi'}"));
 *
 *         ANQA_ASSERT_REPLY(ref, "ok");
 *         ANQA_ASSERT_PUSH("said", "{'body': 'hi', ...}");
 *     }
 *
 * That file, linked with the library anqa_test, is a program: `main` comes from there. It runs each test in an OS process of
 * its own with a time limit, shows what a failed one has printed, and prints TAP. Its options are --list, --seed N, --runs N
 * (each test with that many seeds), --verbose, --no-fork (one test, for gdb), and a part of a name, which selects tests.
 *
 * A test's body is a process, in a runtime of its own that is *deterministic*: one thread, whose seed chooses who runs
 * next, and a fake clock. Time passes only while the body waits for it: in anqa_test_advance, in a receive or call
 * with a time-out, in anqa_sleep. Then nobody who can run is left waiting, and an hour takes no time. A failure names its
 * seed, and --seed repeats the run to the letter. Deterministic runtimes have no network. The option .schedulers = 2 starts an
 * ordinary runtime instead, with threads, sockets and the real clock.
 *
 * Failing. The first assertion that fails ends the test, in whatever process it stands. The body may also fail as any process
 * does: by anqa_exit, ANQA_REQUIRE, a fault or a link; what it ended with is shown.
 *
 * The end. When the body has returned, processes that are linked to it end with SHUTDOWN; then applications and supervised
 * children are stopped, the last started first; one that had to be killed fails the test. So do a process, a file
 * descriptor or an OS process that is left, and under LeakSanitizer memory.
 *
 * Assertions are macros. Where one takes a pattern, more may follow the arguments that are named here: a
 * format as in anqa_jsonf, in which `...` in an object stands for more fields, in an array for more elements, and `_` for any value:
 *     ANQA_ASSERT_REPLY(ref, "ok", "{'id': _, 'name': %s, 'tags': ['new', ...], ...}", name);
 * No pattern fits anything. Other assertions may be followed by a printf format, which says which round of a loop it was.
 *
 * Threads. Unless a function says otherwise it is for the body, or for a process that it has started.
 */
#ifndef ANQA_TEST_H
#define ANQA_TEST_H

#include <anqa/anqa.h>

ANQA_BEGIN_DECLS

/* ---------------------------------------------------------------- tests */

/** What stands behind a test's name. Zero is the default of each. A test that expects a death is not checked at its end. */
typedef struct anqa_test_options {
    uint32_t timeout_ms;       /* of real time; 0: 30,000. Sanitizers get four times as long */
    uint16_t schedulers;       /* 0: deterministic */
    uint32_t wait_ms;          /* for replies, pushes and broadcasts; 0: 100 */
    int expect_signal;         /* the test must die of it */
    int expect_exit;           /* the test must call exit with this status */
    const char *expect_stderr; /* must be a part of what was printed */
} anqa_test_options;

/** A test, as ANQA_TEST leaves it to the runner. */
typedef struct anqa_test_case {
    const char *name, *file;
    int line;
    void (*run)(void);
    void (*host)(const struct anqa_test_case *test); /* what calls `run`; NULL: the runner itself */
    anqa_test_options options;
} anqa_test_case;

/** Where an assertion stands: what many functions below get by the macro of their name. */
struct anqa_test_place {
    const char *file;
    int line;
};

#define ANQA_HERE_ ((struct anqa_test_place){__FILE__, __LINE__})

/* The section holds pointers: an array of structs could be padded by the compiler. */
#define ANQA_TEST_CASE_(test, in, ...)                                         \
    static void test_##test(void);                                             \
    static const anqa_test_case test_info_##test = {.name = #test,             \
        .file = __FILE__,                                                      \
        .line = __LINE__,                                                      \
        .run = test_##test,                                                    \
        .host = (in),                                                          \
        .options = {__VA_ARGS__}};                                             \
    static const anqa_test_case *const test_entry_##test                       \
        __attribute__((used, section("anqa_test_cases"))) = &test_info_##test; \
    static void test_##test(void)

/** A test whose body is a process: ANQA_TEST(its_name_is_a_sentence, .schedulers = 2) { ... } */
#define ANQA_TEST(test, ...) ANQA_TEST_CASE_(test, anqa_test_host_, __VA_ARGS__)

/** A test without a runtime, for plain functions. */
#define ANQA_TEST_PLAIN(test, ...) ANQA_TEST_CASE_(test, NULL, __VA_ARGS__)

/** Ends the test as neither passed nor failed; a printf format says why. */
#define ANQA_SKIP(...) anqa_test_skip_(__VA_ARGS__)

/** Calls `check` when the test has ended, the last added first. Before main it adds one for all tests of the program. */
void anqa_test_at_end(void (*check)(void));

/** Random bits that --seed repeats; they depend on the run's seed and the test's name only. Any thread, one at a time. */
uint64_t anqa_test_random(void);

/** 1, or how many times slower sanitizers make this program: multiplies limits on real time. Any thread. */
unsigned anqa_test_slowness(void);

/* ---------------------------------------------------------------- assertions; any thread, any child of the test */

/** Ends the test as failed. */
#define ANQA_FAIL(...) anqa_test_fail_(ANQA_HERE_, "fails", NULL, NULL, " " __VA_ARGS__)

/** Ends the test as failed unless the condition holds. */
#define ANQA_ASSERT(condition, ...)                                               \
    do {                                                                          \
        if (!(condition))                                                         \
            anqa_test_fail_(ANQA_HERE_, #condition, NULL, NULL, " " __VA_ARGS__); \
    } while (0)

/** Integers of any type, compared by value: -1 differs from UINT64_MAX. Pointers may be compared too. */
#define ANQA_ASSERT_EQ(a, b, ...) ANQA_TEST_COMPARE_(#a " == " #b, a, ==, b, __VA_ARGS__)
#define ANQA_ASSERT_NE(a, b, ...) ANQA_TEST_COMPARE_(#a " != " #b, a, !=, b, __VA_ARGS__)
#define ANQA_ASSERT_LT(a, b, ...) ANQA_TEST_COMPARE_(#a " < " #b, a, <, b, __VA_ARGS__)
#define ANQA_ASSERT_LE(a, b, ...) ANQA_TEST_COMPARE_(#a " <= " #b, a, <=, b, __VA_ARGS__)
#define ANQA_ASSERT_GT(a, b, ...) ANQA_TEST_COMPARE_(#a " > " #b, a, >, b, __VA_ARGS__)
#define ANQA_ASSERT_GE(a, b, ...) ANQA_TEST_COMPARE_(#a " >= " #b, a, >=, b, __VA_ARGS__)

/** Strings: each side a `const char *` or an `anqa_str`. */
#define ANQA_ASSERT_STR(a, b, ...)                                                            \
    do {                                                                                      \
        struct anqa_test_text assert_a_ = ANQA_TEST_TEXT_(a), assert_b_ = ANQA_TEST_TEXT_(b); \
        if (!anqa_test_text_eq_(assert_a_, assert_b_))                                        \
            anqa_test_fail_(ANQA_HERE_, #a " == " #b, anqa_test_text_quote_(assert_a_),       \
                anqa_test_text_quote_(assert_b_), " " __VA_ARGS__);                           \
    } while (0)

/** Compares statuses, and shows their names. */
#define ANQA_ASSERT_STATUS(call, expected, ...)                               \
    do {                                                                      \
        anqa_status assert_got_ = (call), assert_want_ = (expected);          \
        if (assert_got_ != assert_want_)                                      \
            anqa_test_fail_(ANQA_HERE_, #call, anqa_status_name(assert_got_), \
                anqa_status_name(assert_want_), " " __VA_ARGS__);             \
    } while (0)

/** A JSON value fits a pattern. In a process. */
#define ANQA_ASSERT_JSON(json, ...) \
    anqa_test_assert_json_(ANQA_HERE_, #json, (json), " " __VA_ARGS__)

/* ---------------------------------------------------------------- time; deterministic tests only */

/** Lets all others run until none of them can without time passing. */
void anqa_test_settle(void);
/** Lets time pass; who has a timer due meanwhile runs at its time. Ends settled. */
void anqa_test_advance(uint32_t ms);

/* ---------------------------------------------------------------- what a test starts */

/**
 * Starts a child under the test's own supervisor, which starts it again as its restart type says, as often as need be. It is
 * stopped when the test ends. If it does not start, the test fails.
 */
#define anqa_start_supervised(...) anqa_test_start_supervised_(ANQA_HERE_, __VA_ARGS__)
anqa_pid anqa_test_start_supervised_(struct anqa_test_place place, const anqa_child_spec *child);
/** The same with the outcome. Fails: as anqa_supervisor_start_child. */
anqa_status anqa_try_start_supervised(
    const anqa_child_spec *child, anqa_pid *ret_pid, anqa_error *err) ANQA_MUST_CHECK;
/** Stops a child now and forgets it. If there is none of that id, or it had to be killed, the test fails. */
#define anqa_stop_supervised(...) anqa_test_stop_supervised_(ANQA_HERE_, __VA_ARGS__)
void anqa_test_stop_supervised_(struct anqa_test_place place, const char *id);

/** Starts a whole application, to be stopped when the test ends. If it does not start, the test fails. Its endpoint listens only
 * if the test has schedulers. */
#define anqa_test_start_app(...) anqa_test_start_app_(ANQA_HERE_, __VA_ARGS__)
void anqa_test_start_app_(struct anqa_test_place place, const anqa_app *app);

/* ---------------------------------------------------------------- messages */

/** The next message with that tag and a body that fits, which is taken out of the mailbox; others stay. Waits up to timeout_ms.
 * It lives as long as the event. */
#define ANQA_ASSERT_RECEIVE(tag, timeout_ms, ...) \
    anqa_test_assert_receive_(ANQA_HERE_, (tag), (timeout_ms), " " __VA_ARGS__)
/** The same for one that is there by now. */
#define ANQA_ASSERT_RECEIVED(tag, ...) \
    anqa_test_assert_receive_(ANQA_HERE_, (tag), 0, " " __VA_ARGS__)
/** None comes within timeout_ms. */
#define ANQA_REFUTE_RECEIVE(tag, timeout_ms, ...) \
    anqa_test_refute_receive_(ANQA_HERE_, (tag), (timeout_ms), " " __VA_ARGS__)
#define ANQA_REFUTE_RECEIVED(tag, ...) \
    anqa_test_refute_receive_(ANQA_HERE_, (tag), 0, " " __VA_ARGS__)

/** A process ends, or has ended, with a reason of that kind: ANQA_ASSERT_DOWN(pid, ANQA_REASON_SHUTDOWN). Waits up to 5,000 ms.
 * Of one that was dead before, the kind is NOPROC. */
#define ANQA_ASSERT_DOWN(pid, kind) anqa_test_assert_down_(ANQA_HERE_, (pid), (kind))
/** A call of fn(arg) in a process of its own ends with a reason of that kind. Returns its text. */
#define ANQA_ASSERT_EXIT(fn, arg, kind) anqa_test_assert_exit_(ANQA_HERE_, (fn), (arg), (kind))

/* ---------------------------------------------------------------- failures on purpose; deterministic tests only */

/** Ends a process here and now, whatever it does and whether or not it traps exits, as a fault would: `terminate` is not called.
 * Takes over the caller's count of `reason`. */
void anqa_test_crash(anqa_pid pid, anqa_reason reason);

/** Where a failure strikes. */
typedef enum anqa_test_point {
    ANQA_TEST_AT_MESSAGE, /* when it is about to handle a message: its behaviour's, or one of anqa_receive */
    ANQA_TEST_AT_WAIT /* when it is about to wait, in the middle of a callback or in a receive */
} anqa_test_point;

/** How a process fails. */
typedef enum anqa_test_failure {
    ANQA_TEST_EXIT,  /* its own code gives up: an error reason; `terminate` is called */
    ANQA_TEST_KILL,  /* it is killed */
    ANQA_TEST_FAULT, /* a real SIGSEGV, which the runtime contains */
} anqa_test_failure;

/** A failure that is to come. Zero: an exit at its first message. */
typedef struct anqa_test_injection {
    anqa_test_point at;
    uint32_t nth;    /* time that it comes there; 0: 1 */
    const char *tag; /* AT_MESSAGE: only messages with that tag count; NULL: all */
    anqa_test_failure how;
} anqa_test_injection;

/** Has a process fail later, once. A second injection for the same process takes the place of the first. */
void anqa_test_inject(anqa_pid pid, const anqa_test_injection *injection);

/** Lets a process have `bytes` of anqa_heap beyond what it holds, and no more of anqa_tmp or of what one event receives than of
 * the heap. What asks for more ends it with QUOTA, as anqa_spawn_opts.heap_quota does. */
void anqa_test_limit_memory(anqa_pid pid, size_t bytes);

/* ---------------------------------------------------------------- the log */

/** From now on keeps what is logged at that level or a more severe one, in place of printing it. Any thread. */
void anqa_test_capture_log(anqa_log_level level);
/** What was kept so far, as lines without time: "error process.crashed pid=... reason=...". Lives as long as the event. */
const char *anqa_test_captured_log(void);

/** A line that was kept has these words in it. */
#define ANQA_ASSERT_LOGGED(words) anqa_test_assert_logged_(ANQA_HERE_, (words), true)
#define ANQA_REFUTE_LOGGED(words) anqa_test_assert_logged_(ANQA_HERE_, (words), false)

/* ---------------------------------------------------------------- channels */

/* What is tested is the program's own sockets and channels, served as over a WebSocket; only that is left out. The functions are
 * those of Phoenix.ChannelTest. Sockets and channels belong to the process that made them, and end with it. What a client is
 * sent comes to that process as messages of tag "server", [join_ref, ref, topic, event, payload], or "server.binary", bytes. */

/** A client's socket, and a channel on it, without a network. */
typedef struct anqa_test_socket anqa_test_socket;
typedef struct anqa_test_channel anqa_test_channel;

/** Names what was sent, for its reply. */
typedef struct anqa_test_ref {
    anqa_pid socket;
    uint64_t number;
} anqa_test_ref;

/** A client of that socket. params: an object of strings, as of the URL's query; or ANQA_JSON_NULL. If `connect` refuses it, the
 * test fails. */
#define anqa_test_connect(...) anqa_test_connect_(ANQA_HERE_, __VA_ARGS__)
anqa_test_socket *anqa_test_connect_(
    struct anqa_test_place place, const anqa_user_socket *user_socket, anqa_json params);
/** The same with the outcome. Fails: E_PERMISSION (refused), E_LIMIT (the id is too long). */
anqa_status anqa_test_try_connect(const anqa_user_socket *user_socket, anqa_json params,
    anqa_test_socket **ret_socket) ANQA_MUST_CHECK;
/** The same with what `connect` is to see of a request (anqa_socket_connect_info). */
anqa_status anqa_test_try_connect_with(const anqa_user_socket *user_socket, anqa_json params,
    const anqa_connect_info *info, anqa_test_socket **ret_socket) ANQA_MUST_CHECK;

/** A client of a raw socket (anqa/raw_socket.h). Fails: E_PERMISSION (`connect` refuses it), E_DIED (it crashed). It ends by
 * anqa_test_close; anqa_test_socket_pid is the process of its handlers. */
anqa_status anqa_test_try_connect_raw(const anqa_raw_socket *raw, anqa_json params,
    const anqa_connect_info *info, anqa_test_socket **ret_socket) ANQA_MUST_CHECK;
/** What such a client sends. */
void anqa_test_send_raw(anqa_test_socket *socket, bool binary, anqa_str data);
/** What it is sent next; the test fails if nothing comes. ret_binary: may be NULL. */
#define anqa_test_receive_raw(socket, ret_binary) \
    anqa_test_receive_raw_(ANQA_HERE_, (socket), (ret_binary))
anqa_str anqa_test_receive_raw_(
    struct anqa_test_place place, anqa_test_socket *socket, bool *ret_binary);

/**
 * Joins a topic: anqa_test_join(socket, topic, payload, ret_reply). payload: an object, or ANQA_JSON_NULL for {}. ret_reply: the
 * answer's response; may be NULL. If the channel refuses, or there is none for that topic, the test fails.
 */
#define anqa_test_join(...) anqa_test_join_(ANQA_HERE_, false, __VA_ARGS__)
/** The same, and the caller hears what is broadcast on the topic: see ANQA_ASSERT_BROADCAST. */
#define anqa_test_subscribe_and_join(...) anqa_test_join_(ANQA_HERE_, true, __VA_ARGS__)
anqa_test_channel *anqa_test_join_(struct anqa_test_place place, bool subscribe,
    anqa_test_socket *socket, const char *topic, anqa_json payload, anqa_json *ret_reply);
/** Joins, and is refused; a pattern may follow, for the response: ANQA_ASSERT_JOIN_ERROR(socket, "room:x", payload,
 * "{'reason': 'full'}"). */
#define ANQA_ASSERT_JOIN_ERROR(socket, topic, payload, ...) \
    anqa_test_join_error_(ANQA_HERE_, (socket), (topic), (payload), " " __VA_ARGS__)

/** Sends an event to the channel. payload: an object, or ANQA_JSON_NULL for {}. */
anqa_test_ref anqa_test_push(anqa_test_channel *channel, const char *event, anqa_json payload);
/** Leaves: the channel answers "ok" and ends. */
anqa_test_ref anqa_test_leave(anqa_test_channel *channel);
/** Sends what a client of another make might: [join_ref, ref, topic, event, payload], or anything. */
void anqa_test_send_frame(anqa_test_socket *socket, anqa_json frame);
/** Ends the connection, as a browser that closes its window. Its channels have ended, or are about to. */
void anqa_test_close(anqa_test_socket *socket);

/** Broadcasts on the channel's topic. */
void anqa_test_broadcast(anqa_test_channel *channel, const char *event, anqa_json payload);
/** The same to all but this client, as its channel would. */
void anqa_test_broadcast_from(anqa_test_channel *channel, const char *event, anqa_json payload);

/** The process of a channel, to monitor it or to make it fail. */
anqa_pid anqa_test_channel_pid(const anqa_test_channel *channel);
/** The process that stands for the connection. */
anqa_pid anqa_test_socket_pid(const anqa_test_socket *socket);

/* These wait as long as the test's option wait_ms says. What fits is taken; its payload or response is returned, and lives as
 * long as the event. */

/** The channel answers what `ref` names. A pattern may follow. */
#define ANQA_ASSERT_REPLY(ref, status, ...) \
    anqa_test_assert_reply_(ANQA_HERE_, (ref), (status), " " __VA_ARGS__)
#define ANQA_REFUTE_REPLY(ref, ...) anqa_test_refute_reply_(ANQA_HERE_, (ref), " " __VA_ARGS__)
/** A client is sent an event: by a push of its channel, or a broadcast on its topic. A pattern may follow. */
#define ANQA_ASSERT_PUSH(event, ...) ANQA_ASSERT_PUSH_TO(NULL, event, __VA_ARGS__)
#define ANQA_REFUTE_PUSH(event, ...) ANQA_REFUTE_PUSH_TO(NULL, event, __VA_ARGS__)
/** The same for one of several clients. */
#define ANQA_ASSERT_PUSH_TO(channel, event, ...) \
    anqa_test_assert_push_(ANQA_HERE_, (channel), (event), " " __VA_ARGS__)
#define ANQA_REFUTE_PUSH_TO(channel, event, ...) \
    anqa_test_refute_push_(ANQA_HERE_, (channel), (event), " " __VA_ARGS__)
/** An event is broadcast on a topic that the caller has subscribed to. A pattern may follow. */
#define ANQA_ASSERT_BROADCAST(event, ...) \
    anqa_test_assert_broadcast_(ANQA_HERE_, (event), " " __VA_ARGS__)
#define ANQA_REFUTE_BROADCAST(event, ...) \
    anqa_test_refute_broadcast_(ANQA_HERE_, (event), " " __VA_ARGS__)

/* ---------------------------------------------------------------- requests */

/* Plugs, routers and whole endpoints, with the conn that they have in a server; only the network is left out. The functions are
 * those of Phoenix.ConnTest. A conn belongs to the test's body, and lives as long as it. */

/** What a client sends. Zero is the default of each. */
typedef struct anqa_test_request {
    const char *method;         /* "GET" */
    const char *target;         /* "/" */
    const char *host;           /* "www.example.com" */
    const char *peer;           /* "127.0.0.1:51234" */
    const anqa_header *headers; /* {0} ends them */
    anqa_str body;
    bool https; /* over TLS */
    /* a request of the same client that was answered before: the cookies that it has had and been given go along (recycle of
     * ConnTest). NULL: none */
    const struct anqa_conn *after;
} anqa_test_request;

/** A request that nobody has answered: anqa_test_conn("POST", "/users?a=b", .body = anqa_str_of("..."), .headers = ...). If no
 * server would take it, the test fails. */
#define anqa_test_conn(verb, path, ...) \
    anqa_test_conn_(                    \
        ANQA_HERE_, &(const anqa_test_request){.method = (verb), .target = (path), __VA_ARGS__})
anqa_conn *anqa_test_conn_(struct anqa_test_place place, const anqa_test_request *request);

/** Runs a pipeline; then a request without an answer gets 500, and a chunked one ends. */
void anqa_test_run(anqa_conn *conn, const anqa_plug *plugs);
/** The same for the plugs and the router of an endpoint, with its force_ssl, sessions, secret and error pages. It need not run. */
void anqa_test_dispatch(anqa_conn *conn, const anqa_endpoint *endpoint);

/** What was sent of the response's body so far; of HEAD what GET would have. Lives as long as the event. */
const char *anqa_test_resp_body(const anqa_conn *conn);

/** The request was answered with that status. Returns the body. */
#define ANQA_ASSERT_RESPONSE(conn, status) anqa_test_assert_response_(ANQA_HERE_, (conn), (status))
/** The same with a content-type of JSON, and a pattern may follow for it: ANQA_ASSERT_JSON_RESPONSE(conn, 200, "{'id': _, ...}"). */
#define ANQA_ASSERT_JSON_RESPONSE(conn, status, ...) \
    anqa_test_assert_json_response_(ANQA_HERE_, (conn), (status), " " __VA_ARGS__)
/** It was answered with a redirect (3xx) to that address. */
#define ANQA_ASSERT_REDIRECTED_TO(conn, to) anqa_test_assert_redirect_(ANQA_HERE_, (conn), (to))
/** The response has that field, with that value; NULL: it has no such field. */
#define ANQA_ASSERT_RESP_HEADER(conn, name, value) \
    anqa_test_assert_header_(ANQA_HERE_, (conn), (name), (value))

/* ---------------------------------------------------------------- what the macros need */

void anqa_test_host_(const anqa_test_case *test);

/** Integers of any type, for the macros. */
struct anqa_test_int {
    uint64_t bits;
    bool negative;
};

/* A type is signed when its -1 is below 1; a comparison with 0 would draw a warning for unsigned types. */
#define ANQA_TEST_INT_(x)                                                                     \
    __extension__({                                                                           \
        __auto_type int_value_ = (x);                                                         \
        _Static_assert(_Generic(int_value_, float: 0, double: 0, long double: 0, default: 1), \
            "integers only");                                                                 \
        anqa_test_int_of_(                                                                    \
            (uint64_t)int_value_, (__typeof__(int_value_))-1 < (__typeof__(int_value_))1);    \
    })

#define ANQA_TEST_COMPARE_(what, a, op, b, ...)                                            \
    do {                                                                                   \
        struct anqa_test_int assert_a_ = ANQA_TEST_INT_(a), assert_b_ = ANQA_TEST_INT_(b); \
        if (!(anqa_test_int_order_(assert_a_, assert_b_) op 0))                            \
            anqa_test_fail_(ANQA_HERE_, what, anqa_test_int_text_(assert_a_, "=="),        \
                anqa_test_int_text_(assert_b_, #op), " " __VA_ARGS__);                     \
    } while (0)

/** Strings of both kinds, for the macros. */
struct anqa_test_text {
    const char *ptr; /* NULL differs from "" */
    size_t len;
};

#define ANQA_TEST_TEXT_(x) \
    _Generic((x), anqa_str: anqa_test_text_of_str_, default: anqa_test_text_of_)(x)

static inline struct anqa_test_int anqa_test_int_of_(uint64_t bits, bool is_signed)
{
    struct anqa_test_int value;

    value.bits = bits;
    value.negative = is_signed && (int64_t)bits < 0;
    return value;
}

static inline struct anqa_test_text anqa_test_text_of_(const char *text)
{
    struct anqa_test_text of;

    of.ptr = text;
    of.len = text == NULL ? 0 : strlen(text);
    return of;
}

static inline struct anqa_test_text anqa_test_text_of_str_(anqa_str s)
{
    struct anqa_test_text of;

    of.ptr = s.ptr == NULL ? "" : s.ptr;
    of.len = s.len;
    return of;
}

/* Below, above or 0, as memcmp. */
int anqa_test_int_order_(struct anqa_test_int a, struct anqa_test_int b);
bool anqa_test_text_eq_(struct anqa_test_text a, struct anqa_test_text b);

/* These two are for the message of a failure, which ends the test: what they return is not freed. */
const char *anqa_test_int_text_(struct anqa_test_int value, const char *op);
const char *anqa_test_text_quote_(struct anqa_test_text text);

/* Prints and ends the test. got, want: NULL when there are no values to show. */
ANQA_NORETURN void anqa_test_fail_(struct anqa_test_place place, const char *what, const char *got,
    const char *want, const char *format, ...) ANQA_PRINTF(5, 6);
ANQA_NORETURN void anqa_test_skip_(const char *format, ...) ANQA_PRINTF(1, 2);

void anqa_test_assert_json_(struct anqa_test_place place, const char *what, anqa_json json,
    const char *pattern, ...) ANQA_PRINTF(4, 5);
const anqa_msg *anqa_test_assert_receive_(struct anqa_test_place place, const char *tag,
    uint32_t timeout_ms, const char *pattern, ...) ANQA_PRINTF(4, 5);
void anqa_test_refute_receive_(struct anqa_test_place place, const char *tag, uint32_t timeout_ms,
    const char *pattern, ...) ANQA_PRINTF(4, 5);
void anqa_test_assert_down_(struct anqa_test_place place, anqa_pid pid, anqa_reason_kind kind);
const char *anqa_test_assert_exit_(
    struct anqa_test_place place, void (*fn)(void *arg), void *arg, anqa_reason_kind kind);
void anqa_test_assert_logged_(struct anqa_test_place place, const char *words, bool wanted);
anqa_json anqa_test_join_error_(struct anqa_test_place place, anqa_test_socket *socket,
    const char *topic, anqa_json payload, const char *pattern, ...) ANQA_PRINTF(5, 6);
anqa_json anqa_test_assert_reply_(struct anqa_test_place place, anqa_test_ref ref,
    const char *status, const char *pattern, ...) ANQA_PRINTF(4, 5);
void anqa_test_refute_reply_(
    struct anqa_test_place place, anqa_test_ref ref, const char *pattern, ...) ANQA_PRINTF(3, 4);
anqa_json anqa_test_assert_push_(struct anqa_test_place place, const anqa_test_channel *channel,
    const char *event, const char *pattern, ...) ANQA_PRINTF(4, 5);
void anqa_test_refute_push_(struct anqa_test_place place, const anqa_test_channel *channel,
    const char *event, const char *pattern, ...) ANQA_PRINTF(4, 5);
const char *anqa_test_assert_response_(
    struct anqa_test_place place, const anqa_conn *conn, unsigned status);
anqa_json anqa_test_assert_json_response_(struct anqa_test_place place, const anqa_conn *conn,
    unsigned status, const char *pattern, ...) ANQA_PRINTF(4, 5);
void anqa_test_assert_redirect_(
    struct anqa_test_place place, const anqa_conn *conn, const char *to);
void anqa_test_assert_header_(
    struct anqa_test_place place, const anqa_conn *conn, const char *name, const char *value);
anqa_json anqa_test_assert_broadcast_(
    struct anqa_test_place place, const char *event, const char *pattern, ...) ANQA_PRINTF(3, 4);
void anqa_test_refute_broadcast_(
    struct anqa_test_place place, const char *event, const char *pattern, ...) ANQA_PRINTF(3, 4);

ANQA_END_DECLS

#endif
