/*
 * Jobs of crypto.subtle with any bytes: eight bytes say what is asked (kind, hash, family, two numbers, how the rest is
 * shared out), the rest is key, data, extra and more. What must hold: a job fails with a name or has a result that is not
 * longer than its room; a key that was read is read again as the same from its parts and from what it is written as; what was
 * encrypted or wrapped is decrypted to what it was; what was signed is verified.
 */
#include "js/web/subtle.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 8, INPUT_MAX = 4096, ROOM = 16384 + 4 * INPUT_MAX };

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* False: it was refused, takes long, or failed. */
static bool run(struct subtle_job *job)
{
    if (!subtle_check(job)) {
        require(job->error != NULL && job->why != NULL);
        return false;
    }
    require(subtle_room(job) <= ROOM);
    if (subtle_is_long(job))
        return false;
    job->size = subtle_room(job);
    job->out = malloc(job->size);
    require(job->out != NULL);
    subtle_run(job);
    require(job->len <= job->size);
    require(job->error == NULL || (job->why != NULL && job->len == 0));
    return job->error == NULL;
}

static anqa_str result(const struct subtle_job *job)
{
    return anqa_str_make((const char *)job->out, job->len);
}

static bool same(anqa_str a, anqa_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Runs it, where it must work, and what comes of it must be this. */
static void require_result(struct subtle_job job, anqa_str wanted)
{
    job.out = NULL;
    require(run(&job) && same(result(&job), wanted));
    free(job.out);
}

/* Of a key that was read: its parts give the same, and so does each form that it is written in. */
static void check_key(const struct subtle_job *read, bool private)
{
    anqa_str parts = result(read);
    struct subtle_job written = {.family = read->family,
        .key = parts,
        .kind = private ? SUBTLE_EXPORT_PKCS8 : SUBTLE_EXPORT_SPKI};

    require_result(
        (struct subtle_job){.kind = SUBTLE_IMPORT_PARTS, .family = read->family, .key = parts},
        parts);
    require(run(&written));
    require_result((struct subtle_job){.kind = private ? SUBTLE_IMPORT_PKCS8 : SUBTLE_IMPORT_SPKI,
                       .family = read->family,
                       .data = result(&written)},
        parts);
    free(written.out);
}

/* What undoes it gives what there was. */
static void check_back(const struct subtle_job *job, enum subtle_kind back)
{
    struct subtle_job other = *job;

    other.kind = back;
    other.data = result(job);
    require_result(other, job->data);
}

static void check_signature(const struct subtle_job *job)
{
    struct subtle_job other = *job;

    other.kind = job->kind == SUBTLE_HMAC ? SUBTLE_HMAC_VERIFY : SUBTLE_VERIFY;
    other.extra = result(job);
    require_result(other, anqa_str_make("\1", 1));
}

/* How many parts the key has more than those that are public. */
static bool has_private_half(const struct subtle_job *job)
{
    const unsigned char *at = job->out;
    size_t left = job->len;
    unsigned count = 0;

    while (left >= 4) {
        size_t len = at[0] | (size_t)at[1] << 8;
        at += 4 + len;
        left -= 4 + len;
        count++;
    }
    return count > (job->family <= SUBTLE_RSA_PSS ? 2 : 1);
}

static void check(const struct subtle_job *job)
{
    switch (job->kind) {
    case SUBTLE_IMPORT_PUBLIC:
    case SUBTLE_IMPORT_PARTS:
    case SUBTLE_IMPORT_SPKI:
    case SUBTLE_IMPORT_PKCS8: check_key(job, has_private_half(job)); break;
    case SUBTLE_CBC_ENCRYPT: check_back(job, SUBTLE_CBC_DECRYPT); break;
    case SUBTLE_GCM_ENCRYPT: check_back(job, SUBTLE_GCM_DECRYPT); break;
    case SUBTLE_CTR: check_back(job, SUBTLE_CTR); break;
    case SUBTLE_WRAP: check_back(job, SUBTLE_UNWRAP); break;
    case SUBTLE_HMAC: check_signature(job); break;
    default: break;
    }
}

static anqa_str take(const uint8_t **at, size_t *left, size_t len)
{
    anqa_str piece = anqa_str_make((const char *)*at, len < *left ? len : *left);

    *at += piece.len;
    *left -= piece.len;
    return piece;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct subtle_job job = {0};
    const uint8_t *at;
    size_t left;

    if (size < HEAD || size > INPUT_MAX)
        return 0;
    at = data + HEAD;
    left = size - HEAD;
    job.kind = data[0] % (SUBTLE_KIND_COUNT + 1);
    job.hash = data[1] % (SUBTLE_HASH_COUNT + 1);
    job.family = data[2] % (SUBTLE_FAMILY_COUNT + 1);
    job.n = data[3];
    job.m = data[4] * 3u;
    job.key = take(&at, &left, data[5] * (size_t)8);
    job.extra = take(&at, &left, data[6]);
    job.more = take(&at, &left, data[7]);
    job.data = take(&at, &left, left);
    if (run(&job))
        check(&job);
    free(job.out);
    return 0;
}
