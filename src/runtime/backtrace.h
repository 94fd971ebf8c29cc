/*
 * Which code is whose, who called whom, and what addresses are called: for the fault handler and for reports.
 *
 * Text. An address is application text when it lies in an executable segment of the main program, of the object that
 * holds Anqa, or of an object that was declared trusted. The table is made once and only ever grows, so that a signal
 * handler may read it. Objects that are loaded later are foreign.
 *
 * Everything is async-signal-safe after text_init, but for text_trust. Unwinding is libgcc's, whose search for tables takes no lock
 * with glibc 2.35 and later; its first use allocates, which text_init does in advance.
 */
#ifndef RUNTIME_BACKTRACE_H
#define RUNTIME_BACKTRACE_H

#include <anqa/base.h>

enum {
    BACKTRACE_KEPT = 48, /* frames that are remembered */
    BACKTRACE_WALKED =
        1 << 16 /* frames that are looked at: more than a stack can hold of any use */
};

/* innermost first: [0] is the instruction itself, the others are return addresses */
struct backtrace {
    uint32_t depth; /* frames looked at; more than count when some were not kept */
    uint32_t count;
    uintptr_t ip[BACKTRACE_KEPT];
};

/* ---------------------------------------------------------------- text */

/* Reads what is loaded, on the first call. Any thread; not a signal handler. */
void text_init(void);
bool text_is_application(uintptr_t address);
/* Status as anqa_fault_trust. */
anqa_status text_trust(const void *address);
/* mem*, str*: functions that hold nothing while they run. `function` is where its unwind entry begins. */
bool text_is_leaf(uintptr_t function);
/* Code of AddressSanitizer, which stands between the application and mem*, str*. */
bool text_is_sanitizer(uintptr_t address);

/* The functions through which a program aborts itself. */
enum text_abort { TEXT_NOT_ABORT, TEXT_ABORT, TEXT_RAISE, TEXT_ASSERT };
enum text_abort text_abort_kind(uintptr_t function);

/* ---------------------------------------------------------------- walking */

struct backtrace_frame {
    uintptr_t ip;
    uintptr_t function; /* where the unwind entry of ip begins */
};

/*
 * Shows the frames of the code that a signal interrupted, innermost first, and notes them in *trace as it goes. For a
 * handler only: frames above the signal are skipped. Returns the stack pointer under the outermost frame, or 0 when the
 * frames end in the middle of nowhere.
 */
uintptr_t backtrace_walk(struct backtrace *trace,
    void (*visit)(const struct backtrace_frame *frame, void *arg), void *arg);
/* Notes the frames of the calling thread, from the caller's caller on. Not for handlers. */
void backtrace_here(struct backtrace *trace);
/* Adds a frame by hand. */
void backtrace_note(struct backtrace *trace, uintptr_t ip);

/* ---------------------------------------------------------------- text for people */

/* A bounded text under construction, cut when full. Nothing ends it: print by length. */
struct line {
    char *at, *end;
};

void line_text(struct line *line, const char *text);
void line_hex(struct line *line, uintptr_t value);
void line_number(struct line *line, uint64_t value);
/* "chat+0x1234": relative to where the object is loaded, as addr2line takes it. */
void line_place(struct line *line, uintptr_t address);
/* " <room_post+0x20>", or nothing: maps the object's file to look for it when it must. For reports, not for landings. */
void line_symbol(struct line *line, uintptr_t address);
/* The same, quickly, for the main program and Anqa once symbols_load has been called. False: wrote nothing. */
bool line_known_symbol(struct line *line, uintptr_t address);
/* Reads the symbol tables of the two: about a millisecond. Any thread; not a signal handler. */
void symbols_load(void);

#endif
