#include "channel/host.h"

#include <stdio.h>
#include <stdlib.h>

static const char *environment(const char *name)
{
    const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe): nobody sets it */

    return text == NULL || *text == '\0' ? NULL : text;
}

/* Shells of people say HOST for the machine's name; those in which a service is started do not. */
static const char *variable(void)
{
    const char *env = environment("ANQA_ENV");

    if (environment("ANQA_HOST") != NULL)
        return "ANQA_HOST";
    return env != NULL && strcmp(env, "prod") == 0 ? "HOST" : NULL;
}

/* "example.org", "127.0.0.1", "[::1]": no scheme, no port. */
static bool is_host(const char *text)
{
    size_t len = strlen(text);
    bool is_ip6 = text[0] == '[' && text[len - 1] == ']';
    const char *chars = is_ip6 ? "[]:.0123456789abcdefABCDEF"
                               : "-.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    return len <= HOST_MAX && text[0] != '.' && text[0] != '-' && strspn(text, chars) == len;
}

anqa_status host_find(const char *given, char ret_host[static HOST_MAX + 1], anqa_error *err)
{
    const char *from = given == NULL ? variable() : NULL, *host = given;

    if (from != NULL)
        host = environment(from);
    if (host != NULL && !is_host(host))
        return anqa_fail(err, ANQA_E_INVALID,
            "%s is '%s'; it must be a name like example.org, without scheme and port",
            from == NULL ? "the endpoint's .host" : from, host);
    (void)snprintf(ret_host, HOST_MAX + 1, "%s", host == NULL ? "" : host);
    return ANQA_OK;
}
