#include <anqa/base.h>

#include <errno.h>
#include <stdio.h>

const char *anqa_version(void)
{
    return ANQA_VERSION_STRING;
}

static const struct {
    const char *name, *text;
} statuses[] = {
#define X(name, text) {#name, text},
    ANQA_STATUS_MAP(X)
#undef X
};

const char *anqa_status_name(anqa_status status)
{
    return (size_t)status < ANQA_COUNT(statuses) ? statuses[status].name : "E_UNKNOWN";
}

const char *anqa_status_text(anqa_status status)
{
    return (size_t)status < ANQA_COUNT(statuses) ? statuses[status].text : "unknown status";
}

anqa_status anqa_status_from_errno(int errnum)
{
    switch (errnum) {
    case 0: return ANQA_OK;
    case ENOMEM: return ANQA_E_NOMEM;
    case EINVAL: return ANQA_E_INVALID;
    case ENOENT: return ANQA_E_NOT_FOUND;
    case EEXIST: return ANQA_E_EXISTS;
    case ETIMEDOUT: return ANQA_E_TIMEOUT;
    case ECONNREFUSED: return ANQA_E_REFUSED;
    case EADDRINUSE: return ANQA_E_IN_USE;
    case EACCES:
    case EPERM: return ANQA_E_PERMISSION;
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN: return ANQA_E_CLOSED;
    case EMFILE:
    case ENFILE:
    case EAGAIN:
    case ENOSPC: return ANQA_E_LIMIT;
    case ERANGE:
    case EOVERFLOW: return ANQA_E_RANGE;
    default: return ANQA_E_IO;
    }
}

anqa_status anqa_error_set(anqa_error *err, anqa_status status, int errnum, const char *file,
    int line, const char *format, ...)
{
    static const char cut[] = "...";
    va_list args;
    size_t len;
    int n;

    if (err == NULL)
        return status;
    err->status = status;
    err->errnum = errnum;
    err->file = file;
    err->line = line;
    va_start(args, format);
    n = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (n < 0)
        n = 0;
    len = (size_t)n;
    if (errnum != 0 && len < sizeof err->text) {
        char words[96];
        n = snprintf(err->text + len, sizeof err->text - len, ": %s",
            strerror_r(errnum, words, sizeof words));
        len += n < 0 ? 0 : (size_t)n;
    }
    if (len >= sizeof err->text)
        memcpy(err->text + sizeof err->text - sizeof cut, cut, sizeof cut);
    return status;
}
