/* Functions with their arguments as bytes. See job.h. */
#include "otp/job.h"

#include <stdalign.h>
#include <string.h>

#include <anqa/memory.h>

static size_t job_head(size_t callers)
{
    return (sizeof(struct job) + callers * sizeof(anqa_pid) + 15) & ~(size_t)15;
}

static void callers_write(char *at, size_t count)
{
    anqa_pid self = anqa_self(), *others;

    memcpy(at, &self, sizeof self);
    if (count == 1)
        return;
    others = anqa_arena_alloc(anqa_tmp(), (count - 1) * sizeof *others);
    (void)anqa_callers(others, count - 1);
    memcpy(at + sizeof self, others, (count - 1) * sizeof *others);
}

void job_pack(
    struct job_bytes *bytes, void (*fn)(void), const void *arg, size_t arg_size, bool with_callers)
{
    struct job job = {.fn = fn,
        .given = arg_size == 0 ? arg : NULL,
        .arg_size = arg_size,
        .callers = with_callers ? (uint32_t)anqa_callers(NULL, 0) + 1 : 0};
    size_t head = job_head(job.callers);

    ANQA_REQUIRE(fn != NULL && arg_size <= SIZE_MAX / 2);
    ANQA_REQUIRE(arg_size == 0 || arg != NULL);
    bytes->len = head + arg_size;
    bytes->ptr = bytes->len <= sizeof bytes->small ? bytes->small : anqa_heap_alloc(bytes->len);
    memset(bytes->ptr, 0, head);
    memcpy(bytes->ptr, &job, sizeof job);
    if (job.callers > 0)
        callers_write(bytes->ptr + sizeof job, job.callers);
    if (arg_size > 0)
        memcpy(bytes->ptr + head, arg, arg_size);
}

size_t job_size(size_t arg_size)
{
    ANQA_REQUIRE(arg_size <= SIZE_MAX / 2);
    return job_head(0) + arg_size;
}

void job_write(char *at, void (*fn)(void), const void *arg, size_t arg_size)
{
    struct job job = {
        .fn = fn, .given = arg_size == 0 ? arg : NULL, .arg_size = arg_size, .callers = 0};

    memset(at, 0, job_head(0));
    memcpy(at, &job, sizeof job);
    if (arg_size > 0)
        memcpy(at + job_head(0), arg, arg_size);
}

void job_pack_done(struct job_bytes *bytes)
{
    if (bytes->ptr != bytes->small)
        anqa_heap_free(bytes->ptr);
}

void *job_unpack(const char *bytes, struct job *ret_job, bool for_event)
{
    const char *arg;

    memcpy(ret_job, bytes, sizeof *ret_job);
    if (ret_job->arg_size == 0)
        return (void *)(uintptr_t)ret_job->given;
    arg = bytes + job_head(ret_job->callers);
    if ((uintptr_t)arg % alignof(max_align_t) == 0)
        return (void *)(uintptr_t)arg;
    return memcpy(for_event ? anqa_arena_alloc(anqa_tmp(), ret_job->arg_size)
                            : anqa_heap_alloc(ret_job->arg_size),
        arg, ret_job->arg_size);
}
