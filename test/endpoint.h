/*
 * endpoint.h - an endpoint in a runtime of its own, for the tests of whoever is served by one.
 */
#ifndef TEST_ENDPOINT_H
#define TEST_ENDPOINT_H

#include <anqa/anqa.h>

#include <stdlib.h>

#include "harness.h"

struct test_endpoint {
    anqa_rt *rt;
    anqa_pid pid;
    char address[ANQA_ADDRESS_TEXT]; /* on some free port, unless it is a Unix socket's */
};

/* With two schedulers. This thread is a process of the runtime. */
static inline struct test_endpoint endpoint_begin(const anqa_endpoint *endpoint)
{
    struct test_endpoint test;
    anqa_error err;

    setenv("PORT", "0", 1);
    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(
        anqa_start(&(anqa_options){.schedulers = 2}, &test.rt, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_attach(test.rt, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_gen_server_start(&anqa_endpoint_server, endpoint, NULL, &test.pid, &err),
        ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_endpoint_address(test.pid, test.address), ANQA_OK);
    return test;
}

static inline uint16_t endpoint_port(const struct test_endpoint *test)
{
    return (uint16_t)strtoul(strrchr(test->address, ':') + 1, NULL, 10);
}

/* Stops the endpoint, unless it has ended, and the runtime. */
static inline void endpoint_end(struct test_endpoint *test)
{
    anqa_status status = anqa_gen_server_stop(test->pid, ANQA_SHUTDOWN, HARNESS_LONG_MS);

    CHECK(status == ANQA_OK || status == ANQA_E_NOPROC, "%s", anqa_status_name(status));
    anqa_detach();
    anqa_stop(test->rt);
}

#endif
