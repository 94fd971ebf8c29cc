/*
 * A function and a copy of its argument, as bytes that travel to the process which runs it.
 *
 *     | struct job | callers ... | to 16 | argument ... |
 */
#ifndef OTP_JOB_H
#define OTP_JOB_H

#include <anqa/process.h>

struct job {
    void (*fn)(void);  /* of the type that the receiver knows */
    const void *given; /* arg_size 0: the argument itself */
    size_t arg_size;
    uint32_t callers; /* pids behind this struct */
};

/* owner: the stack of who sends it, until job_pack_done. */
struct job_bytes {
    char *ptr; /* `small`, or on the heap */
    size_t len;
    char small[256];
};

/* with_callers: the calling process and those it works for go along. */
void job_pack(
    struct job_bytes *bytes, void (*fn)(void), const void *arg, size_t arg_size, bool with_callers);
void job_pack_done(struct job_bytes *bytes);

/* The same without callers, to memory of the caller's: so many bytes. */
size_t job_size(size_t arg_size);
void job_write(char *at, void (*fn)(void), const void *arg, size_t arg_size);

/* The callers begin behind the struct. The argument is aligned to 16: what is not (a long message's) is copied, to
 * anqa_tmp if it is for this event only, else to the heap. */
void *job_unpack(const char *bytes, struct job *ret_job, bool for_event);

#endif
