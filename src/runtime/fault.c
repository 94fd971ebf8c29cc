#include "runtime/fault.h"

#include <anqa/fault.h>
#include <anqa/log.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/ucontext.h>
#include <unistd.h>

#include "runtime/backtrace.h"
#include "runtime/proc.h"
#include "runtime/sched.h"
#include "runtime/stack.h"
#include "telemetry/log.h"

enum {
    NULL_PAGES =
        64 *
        1024, /* a fault below is a NULL pointer with an offset, and has touched nobody's memory */
    ALT_STACK = 64 * 1024,
    ALT_GUARD = 64 * 1024,
    MAX_INNER = 8,      /* foreign frames that a listed function may have above it */
    PROBE_SLACK = 4096, /* how far below the guard the stack pointer may be when the guard is hit */
    BOTTOM_SLACK = 512, /* between the top of a stack and its outermost frame */
    REPORT_SIZE = 8192,
    REASON_SIZE = 1024
};

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

/* owner: the thread of its scheduler */
struct fault {
    volatile sig_atomic_t handling;
    stack_t old_stack; /* a sanitizer's */
    char *map;         /* guard and alternate stack */
    size_t map_size;
    struct fault_record record;
    struct fault_record pending; /* contained, and to be told of as part of the crash */
    bool is_pending;
    char report[REPORT_SIZE];
};

static struct {
    pthread_mutex_t lock; /* guards users and the changing of handlers */
    unsigned users;
    struct sigaction old[ANQA_COUNT(signals)];
    _Atomic(void (*)(anqa_rt *)) drain;
    _Atomic(const struct fault_sandbox *) sandbox;
} faults = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---------------------------------------------------------------- registers */

static uintptr_t context_ip(const ucontext_t *context)
{
#ifdef __x86_64__
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#else
    return context->uc_mcontext.pc;
#endif
}

static uintptr_t context_sp(const ucontext_t *context)
{
#ifdef __x86_64__
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#else
    return context->uc_mcontext.sp;
#endif
}

/* Is the instruction that ends at `next` a call? Keeps a wild return, which leaves no caller behind, from being taken
 * for a wild call. `next` lies in application text. */
static bool ends_call(uintptr_t next)
{
#ifdef __x86_64__
    const unsigned char *at = (const unsigned char *)next;

    if (at[-5] == 0xe8) /* call rel32, of something that jumped on */
        return true;
    for (int size = 2; size <= 7;
        size++) { /* call r/m: opcode ff /2, with or without displacement */
        if (at[-size] == 0xff && (at[-size + 1] & 0x38) == 0x10)
            return true;
    }
    return false;
#else
    uint32_t instruction = *(const uint32_t *)(next - 4);

    return (instruction & 0xfc000000) == 0x94000000 ||
           (instruction & 0xfffffc1f) == 0xd63f0000; /* bl, blr */
#endif
}

static void context_move(ucontext_t *context, uintptr_t ip, uintptr_t sp)
{
#ifdef __x86_64__
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)ip;
    context->uc_mcontext.gregs[REG_RSP] = (greg_t)sp;
#else
    context->uc_mcontext.pc = ip;
    context->uc_mcontext.sp = sp;
#endif
}

/* After a call into nowhere: puts the context back to the call instruction, whose frame can be unwound. */
static bool context_undo_call(ucontext_t *context, const struct stack *stack)
{
    uintptr_t sp = context_sp(context);
#ifdef __x86_64__
    const uintptr_t popped = 8;
    uintptr_t caller;

    if (stack == NULL || sp % 8 != 0 || sp < (uintptr_t)stack->low || sp >= (uintptr_t)stack->top)
        return false;
    caller = *(const uintptr_t *)sp;
#else
    const uintptr_t popped = 0;
    uintptr_t caller = context->uc_mcontext.regs[30];

    if (caller % 4 != 0)
        return false;
#endif
    if (!text_is_application(caller - 7) || !text_is_application(caller - 1) || !ends_call(caller))
        return false;
    context_move(context, caller - 1, sp + popped);
    return true;
}

/* ---------------------------------------------------------------- the decision */

struct trial {
    struct fault_record *record;
    bool in_application; /* the innermost frame of application text has been seen */
    /* Functions of the foreign frames above the application's, innermost first. */
    uint32_t inner_count;
    uintptr_t inner[MAX_INNER];
    uintptr_t last_inner_ip;
};

static void condemn(struct fault_record *record, enum fault_verdict verdict, uintptr_t culprit)
{
    if (record->verdict != FAULT_CONTAINED)
        return;
    record->verdict = verdict;
    record->culprit = culprit;
}

/*
 * raise, abort and assert come as chains of functions of the C library, some of which have no name that could be looked
 * up: (those of raise), abort; or the same, (one of assert), __assert_fail. The library's own checks call abort from
 * elsewhere, also from inside of __assert_fail when that cannot allocate: the lengths tell them apart.
 */
static bool is_own_abort(const struct trial *trial)
{
    enum text_abort last = trial->inner_count == 0
                               ? TEXT_NOT_ABORT
                               : text_abort_kind(trial->inner[trial->inner_count - 1]);
    uint32_t aborter = 0;

    if (last == TEXT_ABORT || last == TEXT_RAISE)
        return trial->inner_count <= 5;
    if (last != TEXT_ASSERT)
        return false;
    while (aborter < trial->inner_count && text_abort_kind(trial->inner[aborter]) != TEXT_ABORT)
        aborter++;
    return aborter <= 4 && trial->inner_count - aborter >= 2 && trial->inner_count - aborter <= 3;
}

static void judge_abort(struct trial *trial, uintptr_t application_function)
{
    if (trial->inner_count == 0) /* pthread_kill by another thread looks like raise, but for this */
        condemn(trial->record, FAULT_SENT, 0);
    else if (!is_own_abort(trial))
        condemn(trial->record, FAULT_LIBRARY_ABORT, trial->last_inner_ip);
    else if (application_function == (uintptr_t)anqa_invariant_failed)
        condemn(trial->record, FAULT_INVARIANT, 0);
}

/* At the first frame of application text: may what stands above it be abandoned? */
static void judge_inner(struct trial *trial, uintptr_t application_function)
{
    if (trial->record->signal == SIGABRT)
        judge_abort(trial, application_function);
    else if (trial->inner_count > 0 && !text_is_leaf(trial->inner[trial->inner_count - 1]))
        condemn(trial->record, FAULT_FOREIGN, trial->last_inner_ip);
}

static void judge_frame(const struct backtrace_frame *frame, void *arg)
{
    struct trial *trial = arg;

    if (trial->record->verdict != FAULT_CONTAINED)
        return;
    if (text_is_application(
            frame->ip - 1)) { /* a return address may lie behind the last instruction */
        if (!trial->in_application)
            judge_inner(trial, frame->function);
        trial->in_application = true;
        return;
    }
    /* Interceptors jump into halves of themselves that have no name: what they call is judged in their place. */
    if (!trial->in_application && trial->inner_count > 0 && trial->record->signal != SIGABRT &&
        text_is_sanitizer(frame->ip))
        return;
    if (trial->in_application || trial->inner_count == MAX_INNER) {
        condemn(trial->record, FAULT_FOREIGN, frame->ip);
        return;
    }
    trial->inner[trial->inner_count++] = frame->function;
    trial->last_inner_ip = frame->ip;
}

static bool is_memory_fault(int signal)
{
    return signal == SIGSEGV || signal == SIGBUS;
}

/* abort sends a signal too, but to the own thread. */
static bool was_sent(const siginfo_t *info)
{
    if (info->si_signo == SIGABRT)
        return info->si_code != SI_TKILL || info->si_pid != getpid();
    return info->si_code <= 0;
}

static void describe(const struct sched *s, const siginfo_t *info, struct fault_record *record)
{
    record->signal = info->si_signo;
    record->code = info->si_code;
    record->pid = s->current == NULL ? (anqa_pid){0} : proc_pid(s->rt, s->current);
    /* A general protection fault (an address that is none) comes without the address. */
    record->has_address =
        info->si_signo != SIGABRT && info->si_code > 0 && info->si_code != SI_KERNEL;
    record->address = record->has_address ? (uintptr_t)info->si_addr : 0;
    record->stack_full = record->has_address && is_memory_fault(info->si_signo) &&
                         s->stack != NULL && stack_guard_hit(s->stack, info->si_addr);
    record->taints = is_memory_fault(info->si_signo) && !record->stack_full &&
                     (!record->has_address || record->address >= NULL_PAGES);
    record->verdict = FAULT_CONTAINED;
    record->culprit = 0;
    record->label[0] = '\0';
    record->trace.depth = record->trace.count = 0;
}

/* A frame is made before it is touched, and compilers for aarch64 touch it up to 1 KB above its end: when the guard is
 * hit, the stack pointer lies in the guard or a little below. */
static bool is_on_stack(const struct stack *stack, uintptr_t sp, bool stack_full)
{
    return stack != NULL && sp >= (uintptr_t)stack->guard - (stack_full ? PROBE_SLACK : 0) &&
           sp < (uintptr_t)stack->top;
}

static enum fault_verdict judge_place(
    const struct sched *s, const siginfo_t *info, const ucontext_t *context, bool stack_full)
{
    if (s->current == NULL)
        return FAULT_NO_PROCESS;
    if (was_sent(info))
        return FAULT_SENT;
    if (s->act.section != 0)
        return FAULT_SECTION;
    if (!is_on_stack(s->stack, context_sp(context), stack_full))
        return FAULT_OFF_STACK;
    if (s->spare == NULL)
        return FAULT_NO_SPARE;
    return FAULT_CONTAINED;
}

/* Does the context stand where a call through a NULL or wild pointer has led? */
static bool is_in_nowhere(const ucontext_t *context, const struct fault_record *record)
{
    uintptr_t ip = context_ip(context);

    return is_memory_fault(record->signal) && record->has_address && record->address == ip &&
           !text_is_application(ip);
}

/* Walks and judges. A context in nowhere has no tables: the frame of who called is put back for the walk. */
static uintptr_t walk(const struct stack *stack, ucontext_t *context, struct fault_record *record,
    struct trial *trial)
{
    const uintptr_t ip = context_ip(context), sp = context_sp(context);
    uintptr_t bottom;

    if (is_in_nowhere(context, record)) {
        backtrace_note(&record->trace, ip);
        if (!context_undo_call(context, stack)) {
            condemn(trial->record, FAULT_UNWIND, ip);
            return 0;
        }
    }
    bottom = backtrace_walk(&record->trace, judge_frame, trial);
    context_move(context, ip, sp);
    return bottom;
}

static bool is_top(const struct stack *stack, uintptr_t bottom)
{
    return bottom <= (uintptr_t)stack->top && bottom + BOTTOM_SLACK >= (uintptr_t)stack->top;
}

/* Fills in what the sandbox says of a fault in its text. */
static void judge_sandbox(
    const siginfo_t *info, const ucontext_t *context, struct fault_record *record)
{
    const struct fault_sandbox *sandbox =
        atomic_load_explicit(&faults.sandbox, memory_order_acquire); /* fault_set_sandbox */
    uintptr_t ip = context_ip(context);

    record->sandbox = NULL;
    if (sandbox == NULL || ip < (uintptr_t)sandbox->start || ip >= (uintptr_t)sandbox->stop ||
        was_sent(info))
        return;
    record->sandbox = record->stack_full ? "the native stack is full"
                                         : sandbox->judge(info->si_signo, info->si_addr);
    if (record->sandbox != NULL)
        record->taints = false;
}

void fault_classify(
    struct sched *s, const siginfo_t *info, void *ucontext, struct fault_record *record)
{
    struct trial trial = {.record = record};
    uintptr_t bottom;

    describe(s, info, record);
    judge_sandbox(info, ucontext, record);
    condemn(record, judge_place(s, info, ucontext, record->stack_full), 0);
    if (record->sandbox != NULL) {
        backtrace_note(&record->trace, context_ip(ucontext));
        return;
    }
    if (record->verdict == FAULT_OFF_STACK) {
        backtrace_note(&record->trace, context_ip(ucontext));
        return;
    }
    bottom = walk(s->stack, ucontext, record, &trial);
    if (!trial.in_application)
        condemn(record, FAULT_FOREIGN, trial.last_inner_ip);
    if (record->verdict == FAULT_CONTAINED && !is_top(s->stack, bottom))
        condemn(record, FAULT_UNWIND, 0);
    if (record->taints && s->rt->options.taint == ANQA_TAINT_ABORT)
        condemn(record, FAULT_POLICY, 0);
}

/* ---------------------------------------------------------------- text */

static const char *signal_name(int signal)
{
    switch (signal) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGILL: return "SIGILL";
    case SIGFPE: return "SIGFPE";
    case SIGABRT: return "SIGABRT";
    default: return "signal";
    }
}

/* "SIGSEGV at 0x10" */
static void line_what(struct line *line, const struct fault_record *record)
{
    line_text(line, signal_name(record->signal));
    if (record->stack_full)
        line_text(line, " (end of the stack)");
    if (is_memory_fault(record->signal) && record->code > 0) {
        line_text(line, " at ");
        if (record->has_address)
            line_hex(line, record->address);
        else
            line_text(line, "an address that is none");
    }
}

enum names { NAMES_NONE, NAMES_KNOWN, NAMES_ALL };

/* One frame; a caller's return address may be the first byte of the next function. */
static void line_frame(
    struct line *line, const struct backtrace *trace, uint32_t i, enum names names)
{
    uintptr_t inside = trace->ip[i] - (i > 0);

    line_place(line, trace->ip[i]);
    if (names == NAMES_KNOWN)
        (void)line_known_symbol(line, inside);
    else if (names == NAMES_ALL)
        line_symbol(line, inside);
}

/* Writes frame i, and that it comes again and again when it is a recursion. Returns the frame after. */
static uint32_t line_frame_run(
    struct line *line, const struct backtrace *trace, uint32_t i, enum names names)
{
    uint32_t next = i + 1;

    while (next < trace->count && trace->ip[next] == trace->ip[i])
        next++;
    line_frame(line, trace, i, names);
    if (next - i > 1) {
        line_text(line, " x");
        line_number(line, next - i);
    }
    return next;
}

/* Frames from `i` on. */
static void line_frames(
    struct line *line, const struct backtrace *trace, uint32_t i, enum names names)
{
    const char *between = "";

    while (i < trace->count) {
        line_text(line, between);
        i = line_frame_run(line, trace, i, names);
        between = ", ";
    }
    if (trace->depth > trace->count) {
        line_text(line, ", and ");
        line_number(line, trace->depth - trace->count);
        line_text(line, " more");
    }
}

/* The place to look at: the innermost frame of application text, or just the innermost. */
static uint32_t culprit_of(const struct backtrace *trace)
{
    for (uint32_t i = 0; i < trace->count; i++) {
        if (text_is_application(trace->ip[i]))
            return i;
    }
    return 0;
}

/* "SIGSEGV at 0x10 in chat+0x1234 <room_post+0x20> [chat+0x1234, chat+0x5678]" */
static anqa_reason reason_of(const struct fault_record *record)
{
    char bytes[REASON_SIZE];
    struct line line = {bytes, bytes + sizeof bytes};

    if (record->sandbox != NULL)
        return anqa_reason_make(ANQA_REASON_FAULT, "sandbox: %s", record->sandbox);
    line_what(&line, record);
    line_text(&line, " in ");
    line_frame(&line, &record->trace, culprit_of(&record->trace), NAMES_KNOWN);
    line_text(&line, " [");
    line_frames(&line, &record->trace, 0, NAMES_NONE);
    line_text(&line, "]");
    return anqa_reason_make(ANQA_REASON_FAULT, "%.*s", (int)(line.at - bytes), bytes);
}

anqa_str fault_text(
    const struct fault_record *record, enum fault_text which, char *buf, size_t size)
{
    struct line line = {buf, buf + size};

    switch (which) {
    case FAULT_TEXT_WHAT: line_what(&line, record); break;
    case FAULT_TEXT_PLACE:
        line_frame(&line, &record->trace, culprit_of(&record->trace), NAMES_ALL);
        break;
    case FAULT_TEXT_FRAMES: line_frames(&line, &record->trace, 0, NAMES_ALL); break;
    }
    return anqa_str_make(buf, (size_t)(line.at - buf));
}

const struct fault_record *fault_pending(const struct sched *s)
{
    return s->fault != NULL && s->fault->is_pending ? &s->fault->pending : NULL;
}

void fault_told(struct sched *s)
{
    if (s->fault != NULL)
        s->fault->is_pending = false;
}

/* ---------------------------------------------------------------- the report of a death */

static void line_process(struct line *line, const struct fault_record *record)
{
    if (record->pid.bits == 0)
        return;
    line_text(line, " in process <");
    line_number(line, record->pid.bits >> 56);
    line_text(line, ".");
    line_number(line, pid_slot(record->pid));
    line_text(line, ".");
    line_number(line, pid_generation(record->pid));
    line_text(line, ">");
    if (record->label[0] != '\0') {
        line_text(line, " ");
        line_text(line, record->label);
    }
}

static void report(struct sched *s)
{
#define FAULT_VERDICT_X(name, text) text,
    static const char *const words[] = {FAULT_VERDICT_MAP(FAULT_VERDICT_X)};
#undef FAULT_VERDICT_X
    struct fault *f = s->fault;
    const struct fault_record *record = &f->record;
    struct line line = {f->report, f->report + sizeof f->report};

    log_drain_now();
    line_text(&line, "anqa: fatal ");
    line_what(&line, record);
    line_process(&line, record);
    line_text(&line, "\nanqa: not contained: ");
    line_text(&line, words[record->verdict]);
    if (record->culprit != 0) {
        line_text(&line, ": ");
        line_place(&line, record->culprit);
    }
    line_text(&line, "\nanqa: backtrace, innermost frame first:\n");
    for (uint32_t i = 0; i < record->trace.count;) {
        line_text(&line, "anqa:   ");
        i = line_frame_run(&line, &record->trace, i, NAMES_ALL);
        line_text(&line, "\n");
    }
    log_write_now(f->report, (size_t)(line.at - f->report));
}

static void die_of(int signal)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    sigaction(signal, &action, NULL);
    raise(signal);
}

/* Lets the signal take its default action. A fault does so by itself when its instruction is run again: then the core
 * dump shows it, and not us. */
static void die_again(const siginfo_t *info)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    if (info->si_code > 0)
        sigaction(info->si_signo, &action, NULL);
    else
        die_of(info->si_signo);
}

/* ---------------------------------------------------------------- the handler */

static const struct sigaction *old_action(int signal)
{
    size_t i = 0;

    while (signals[i] != signal)
        i++;
    return &faults.old[i];
}

/* What would have happened without us. */
static void chain(int signal, siginfo_t *info, void *ucontext)
{
    const struct sigaction *old = old_action(signal);
    sigset_t before;

    if ((old->sa_flags & SA_SIGINFO) == 0 && old->sa_handler == SIG_IGN && info->si_code <= 0)
        return;
    if ((old->sa_flags & SA_SIGINFO) == 0 &&
        (old->sa_handler == SIG_DFL || old->sa_handler == SIG_IGN)) {
        die_again(info);
        return;
    }
    pthread_sigmask(SIG_BLOCK, &old->sa_mask, &before);
    if (old->sa_flags & SA_SIGINFO)
        old->sa_sigaction(signal, info, ucontext);
    else
        old->sa_handler(signal);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void note_label(const struct sched *s, struct fault_record *record)
{
    if (s->current != NULL)
        (void)proc_label(s->rt, proc_pid(s->rt, s->current), record->label);
}

static void taint(struct sched *s)
{
    void (*drain)(anqa_rt *) =
        atomic_load_explicit(&faults.drain, memory_order_acquire); /* fault_set_drain_hook */

    if (atomic_exchange_explicit(&s->rt->tainted, true, memory_order_relaxed))
        return;
    anqa_log(ANQA_CRITICAL, "runtime.tainted", "reason=%s next=%s",
        "a process wrote or read where it should not have",
        s->rt->options.taint == ANQA_TAINT_DRAIN ? "drain" : "go on");
    if (s->rt->options.taint == ANQA_TAINT_DRAIN && drain != NULL)
        drain(s->rt);
}

/* On the spare stack, in ordinary code again. A fault in here is still one too many. */
static void landing(void *arg)
{
    struct sched *s = arg;
    struct fault *f = s->fault;
    anqa_reason reason;

    note_label(s, &f->record);
    COUNT_ADD(s, contained, 1);
    if (f->record.taints)
        taint(s);
    /* The sandbox's is no fault of any code's that a backtrace could help to find. */
    if (f->record.sandbox == NULL && !f->is_pending) {
        f->pending = f->record;
        f->is_pending = true;
    }
    reason = reason_of(&f->record);
    f->handling = 0;
    proc_faulted(s, reason);
}

/* A fault of the handler or the landing. It may come from a broken stack that was walked for the report only: then the
 * verdict on the first fault stands. */
static void on_nested_fault(struct sched *s)
{
    struct fault *f = s->fault;

    if (f->handling++ == 1) { /* else it is the report itself that fails */
        condemn(&f->record, FAULT_NESTED, 0);
        report(s);
    }
    die_of(f->record.signal);
}

/* The signal is not blocked in here (SA_NODEFER): a second fault must come back to be reported. */
static void on_fault(int signal, siginfo_t *info, void *ucontext)
{
    struct sched *s = sched_self;
    int saved_errno = errno;

    if (s == NULL || s->foreign || s->fault == NULL) {
        chain(signal, info, ucontext);
        errno = saved_errno;
        return;
    }
    if (s->fault->handling != 0) {
        on_nested_fault(s);
        return;
    }
    s->fault->handling = 1;
    fault_classify(s, info, ucontext, &s->fault->record);
    if (s->fault->record.verdict == FAULT_CONTAINED) {
        stack_land(ucontext, s->stack, s->spare, landing, s);
        return;
    }
    note_label(s, &s->fault->record);
    report(s);
    die_again(info);
}

/* ---------------------------------------------------------------- life */

static void put_back(size_t count)
{
    struct sigaction now;

    for (size_t i = 0; i < count; i++) {
        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_sigaction == on_fault)
            sigaction(signals[i], &faults.old[i], NULL);
    }
}

static anqa_status install_locked(anqa_error *err)
{
    struct sigaction action = {
        .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

    text_init();
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ANQA_COUNT(signals); i++) {
        if (sigaction(signals[i], &action, &faults.old[i]) < 0) {
            int errnum = errno;
            put_back(i);
            return anqa_fail_errno(
                err, errnum, "cannot install a handler for %s", signal_name(signals[i]));
        }
    }
    return ANQA_OK;
}

anqa_status fault_install(anqa_error *err)
{
    anqa_status status = ANQA_OK;

    pthread_mutex_lock(&faults.lock);
    if (faults.users == 0)
        status = install_locked(err);
    if (status == ANQA_OK)
        faults.users++;
    pthread_mutex_unlock(&faults.lock);
    return status;
}

void fault_uninstall(void)
{
    pthread_mutex_lock(&faults.lock);
    faults.users--;
    if (faults.users == 0)
        put_back(ANQA_COUNT(signals));
    pthread_mutex_unlock(&faults.lock);
}

/* The frame that the kernel makes for a handler grows with the processor's registers. */
static size_t alt_stack_size(void)
{
    long minimum = sysconf(_SC_MINSIGSTKSZ);

    return ALT_STACK + (minimum > 0 ? (size_t)minimum / ALT_GUARD * ALT_GUARD + ALT_GUARD : 0);
}

anqa_status fault_thread_init(struct sched *s)
{
    size_t size = alt_stack_size();
    struct fault *f = calloc(1, sizeof *f);
    stack_t stack = {.ss_size = size};

    if (f == NULL)
        return ANQA_E_NOMEM;
    f->map_size = ALT_GUARD + size;
    f->map = mmap(NULL, f->map_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (f->map == MAP_FAILED)
        goto no_map;
    stack.ss_sp = f->map + ALT_GUARD;
    if (mprotect(stack.ss_sp, size, PROT_READ | PROT_WRITE) < 0 ||
        sigaltstack(&stack, &f->old_stack) < 0)
        goto no_stack;
    s->fault = f;
    return ANQA_OK;
no_stack:
    munmap(f->map, f->map_size);
no_map:
    free(f);
    return ANQA_E_NOMEM;
}

void fault_thread_done(struct sched *s)
{
    struct fault *f = s->fault;

    if (f == NULL)
        return;
    s->fault = NULL;
    sigaltstack(&f->old_stack, NULL);
    munmap(f->map, f->map_size);
    free(f);
}

void fault_set_sandbox(const struct fault_sandbox *sandbox)
{
    atomic_store_explicit(
        &faults.sandbox, sandbox, memory_order_release); /* pairs with judge_sandbox */
}

void fault_set_drain_hook(void (*hook)(anqa_rt *rt))
{
    atomic_store_explicit(&faults.drain, hook, memory_order_release); /* pairs with taint */
}

anqa_status anqa_fault_trust(const void *address)
{
    return text_trust(address);
}
