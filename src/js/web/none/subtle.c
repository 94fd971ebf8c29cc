/* js/web/subtle.h where the library is built without OpenSSL. */
#include "js/web/subtle.h"

bool subtle_check(struct subtle_job *job)
{
    job->len = 0;
    job->error = "NotSupportedError";
    job->why = "crypto.subtle needs OpenSSL, without which this library was built";
    return false;
}

size_t subtle_room(const struct subtle_job *job)
{
    return 0;
}

bool subtle_is_long(const struct subtle_job *job)
{
    return false;
}

void subtle_run(struct subtle_job *job)
{
    (void)subtle_check(job);
}

void subtle_cleanse(void *bytes, size_t len)
{
    volatile unsigned char *at = bytes;

    while (len-- > 0)
        *at++ = 0;
}
