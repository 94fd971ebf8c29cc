#include "channel/host.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *given, *env, *anqa_host, *host, *found; /* NULL: not set; found NULL: refused */
} cases[] = {
    {NULL, NULL, NULL, NULL, ""},
    {"example.org", NULL, "other.org", "machine", "example.org"},
    {NULL, NULL, "example.org", NULL, "example.org"},
    {NULL, "dev", "example.org", "machine", "example.org"},
    {NULL, "prod", "example.org", "machine", "example.org"},
    {NULL, "prod", NULL, "example.org", "example.org"},
    {NULL, "prod", "", "example.org", "example.org"},
    {NULL, NULL, NULL, "machine", ""},
    {NULL, "dev", NULL, "machine", ""},
    {NULL, "dev", NULL, "not a name", ""},
    {NULL, "prod", NULL, "", ""},
    {NULL, NULL, "127.0.0.1", NULL, "127.0.0.1"},
    {NULL, NULL, "[::1]", NULL, "[::1]"},
    {NULL, NULL, "::1", NULL, NULL},
    {NULL, NULL, "https://example.org", NULL, NULL},
    {NULL, NULL, "example.org:443", NULL, NULL},
    {NULL, NULL, "example.org/", NULL, NULL},
    {NULL, NULL, "exa mple.org", NULL, NULL},
    {NULL, NULL, ".example.org", NULL, NULL},
    {NULL, "prod", NULL, "example.org\n", NULL},
    {"https://example.org", NULL, NULL, NULL, NULL},
};

static void put(const char *name, const char *value)
{
    if (value == NULL)
        unsetenv(name);
    else
        setenv(name, value, 1);
}

TEST(the_host_is_the_endpoints_own_else_that_of_the_environment)
{
    for (size_t i = 0; i < ANQA_COUNT(cases); i++) {
        char host[HOST_MAX + 1] = "";
        anqa_error err;
        anqa_status status;
        put("ANQA_ENV", cases[i].env);
        put("ANQA_HOST", cases[i].anqa_host);
        put("HOST", cases[i].host);
        status = host_find(cases[i].given, host, &err);
        CHECK_STATUS(status, cases[i].found == NULL ? ANQA_E_INVALID : ANQA_OK, "case %zu", i);
        if (status == ANQA_OK)
            CHECK_STR(host, cases[i].found, "case %zu", i);
        else
            CHECK(strstr(err.text, cases[i].given != NULL       ? ".host"
                                   : cases[i].anqa_host != NULL ? "ANQA_HOST"
                                                                : "HOST") != NULL,
                "%s", err.text);
    }
}

TEST(a_name_as_long_as_may_be_is_taken_and_a_longer_one_is_not)
{
    char name[HOST_MAX + 2], host[HOST_MAX + 1];

    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    unsetenv("ANQA_ENV");
    setenv("ANQA_HOST", name, 1);
    CHECK_STATUS(host_find(NULL, host, NULL), ANQA_E_INVALID);
    setenv("ANQA_HOST", name + 1, 1);
    CHECK_STATUS(host_find(NULL, host, NULL), ANQA_OK);
    CHECK_STR(host, name + 1);
}
