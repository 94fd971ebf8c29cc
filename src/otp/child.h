/*
 * What all processes of this area have in common: the head of their state, how they are started, how they say that they
 * have, how they are stopped.
 *
 * A process is started with one block: a head of HEAD_SIZE bytes, a copy of the argument, its id with a NUL, and then
 * the user's state (gen_server) or the supervisor's struct, aligned to 16.
 *
 *     | head | argument ... | id\0 ... | state ... |
 *
 * A start is two messages at most. The child, once its init is through, sends `start_note` to its parent, with the
 * reference that it was given: without a payload that is success, else it says why not, and the child ends. When it
 * crashes before that, its DOWN has the same reference (or, for dynamic supervisors, which do not wait, there is an EXIT).
 */
#ifndef OTP_CHILD_H
#define OTP_CHILD_H

/* IWYU pragma: begin_exports */
#include <assert.h>

#include <anqa/gen_server.h>
#include <anqa/partition_supervisor.h>
#include <anqa/registry.h>
#include <anqa/supervisor.h>
/* IWYU pragma: end_exports */

/* enum: which of a child spec's members is set. */
enum child_kind { CHILD_SERVER = 1, CHILD_SUPERVISOR, CHILD_DYNAMIC, CHILD_PARTITIONS, CHILD_RUN };

/* Flags of a head. */
enum {
    HEAD_STARTED = 1, /* init is through: terminate runs from here on */
    HEAD_NAMED = 2,   /* the id is the name to be registered, in `u.registry` unless that is NULL */
    HEAD_VALUED = 4   /* behind the id's NUL stands the entry's value; id_len counts both */
};

struct child_head {
    const void *spec;
    union {
        anqa_ref start_ref; /* until started */
        anqa_timer timer;   /* gen_server: of the timeout action; 0: none */
    } t;
    union {
        const anqa_registry *registry; /* until started, HEAD_NAMED */
        anqa_timer idle;               /* gen_server: until `hibernate`; 0: none */
    } u;
    /* of the copy; 0: the argument is a pointer, which lies where the copy would */
    uint32_t arg_size;
    uint16_t id_len;
    uint8_t kind;
    uint8_t flags;
};

#define HEAD_SIZE sizeof(struct child_head)
static_assert(HEAD_SIZE == 32, "budget of a supervised, registered process");

/* What is to be started. */
struct child_start {
    enum child_kind kind;
    const void *spec; /* gen_server, supervisor, ...; CHILD_RUN: NULL */
    void (*run)(void *arg);
    const void *arg;
    size_t arg_size;
    anqa_str id;
    bool named; /* HEAD_NAMED */
    const anqa_registry *registry;
    anqa_json value; /* of the entry in `registry`; empty: null */
    bool link;
    uint16_t scheduler;
    uint32_t timeout_ms; /* 0: none */
};

/* What came of a start or another request, as it travels in notes and answers. */
struct child_outcome {
    anqa_status status;
    anqa_pid pid;
    char text[200];
};

/* ---------------------------------------------------------------- starting, from outside */

/* Fills in what a child spec says; `arg` replaces its argument. */
struct child_start child_start_of(const anqa_child_spec *child, const void *arg, anqa_str id);

/* Spawns, does not wait. ref: see above; zero: no monitor. */
anqa_status child_spawn(const struct child_start *start, anqa_ref ref, anqa_pid *ret_pid);

/* Spawns and waits until it has started. A start that fails leaves nothing behind. May wait. */
anqa_status child_start(const struct child_start *start, anqa_pid *ret_pid, anqa_error *err);

/* Whether the calling process traps exits. */
bool child_traps_exits(void);
/* Unlinks, and takes an EXIT of it that came before out of the mailbox. */
void child_unlink(anqa_pid pid);

/* Asks a gen_server or supervisor to end. Takes over `reason`. May wait. */
anqa_status child_stop(anqa_pid pid, anqa_reason reason, uint32_t timeout_ms);

extern const char
    child_note_tag[]; /* told apart by address: no text of a user's can be taken for it */
extern const char
    child_stop_tag[]; /* a cast: the first byte is a reason's kind, its text follows */

/* The outcome in a note; success when there is none. */
struct child_outcome child_note_read(const anqa_msg *msg);
/* Bytes of an outcome that must travel. */
size_t child_outcome_size(const struct child_outcome *outcome);

/* ---------------------------------------------------------------- the child's side */

static inline size_t child_round(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

/* Size of the part between head and state. */
static inline size_t child_middle(size_t arg_size, size_t id_len)
{
    return child_round((arg_size == 0 ? sizeof(void *) : arg_size) + id_len + 1);
}

static inline void *child_state(struct child_head *head)
{
    return (char *)head + HEAD_SIZE + child_middle(head->arg_size, head->id_len);
}

const void *child_arg(struct child_head *head);
anqa_str child_id(struct child_head *head);

/* Registers what HEAD_NAMED says, or `name` (may be NULL); when it is taken the start fails and the process ends. */
void child_take_name(struct child_head *head, const char *name);
/* The start has succeeded. */
void child_started(struct child_head *head);
/* The start has failed: says so and exits with `reason`, which is taken over. */
ANQA_NORETURN void child_failed(
    struct child_head *head, anqa_status status, const char *text, anqa_reason reason);
/* The reason that a message with child_stop_tag holds. */
anqa_reason child_stop_reason(const anqa_msg *msg);
/* Whether an EXIT message means that we are to end: from our parent, or from the runtime. */
bool child_is_told_to_end(const anqa_msg *msg);

extern const anqa_behaviour gen_server_behaviour, supervisor_behaviour, dynamic_behaviour;

/* State that the three need, beyond the head and the middle. */
size_t child_state_size(enum child_kind kind, const void *spec);
extern const size_t supervisor_state_size, dynamic_state_size;

/* ---------------------------------------------------------------- specs */

/* Checks one child: exactly one kind, an id unless `dynamic`, settings that go together. `owner`: "supervisor 'x'". */
anqa_status child_spec_check(const anqa_child_spec *child, const char *owner, size_t index,
    anqa_auto_shutdown mode, anqa_error *err);
bool child_spec_is_end(const anqa_child_spec *child);
enum child_kind child_spec_kind(const anqa_child_spec *child);
/* Its id, or the name of what it starts; NULL: neither. */
const char *child_spec_id(const anqa_child_spec *child);
bool child_spec_is_supervisor(const anqa_child_spec *child);
size_t child_spec_arg_size(const anqa_child_spec *child);
/* Milliseconds, ANQA_INFINITY, or ANQA_BRUTAL_KILL. */
uint32_t child_spec_shutdown(const anqa_child_spec *child);
/* Whether it is to be started again after such an end. */
bool child_spec_restarts(const anqa_child_spec *child, anqa_reason reason);
/* The supervisor's lines in the log: a child runs; has ended, unless that is no news; will be started after a wait. */
void child_log_start(const char *supervisor, anqa_str child, anqa_pid pid);
void child_log_end(
    const char *supervisor, anqa_str child, anqa_pid pid, anqa_reason reason, bool restarts);
void child_log_wait(const char *supervisor, anqa_str child, uint32_t wait_ms);
/* What it has lived when it failed to start. */
#define CHILD_NEVER_LIVED UINT64_MAX
/* How long to wait before it is started again. *failures counts its ends in a row that were too early. Milliseconds. */
uint32_t child_spec_wait(const anqa_child_spec *child, uint64_t lived_ms, uint32_t *failures);

#endif
