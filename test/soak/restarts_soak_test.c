/*
 * A server that is restarted again and again under load: nobody is refused, no request breaks, and every WebSocket is told
 * to come back. 12 restarts; with ANQA_SOAK=full in the environment 1,000. --verbose prints what came of it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"
#include "otp/launched.h"
#include "soak/restart_load.h"

static unsigned restarts(void)
{
    const char *soak = getenv("ANQA_SOAK");

    return soak != NULL && anqa_str_is(anqa_str_of(soak), "full") ? 1000 : 12;
}

TEST(nobody_is_refused_and_no_request_breaks_while_a_server_restarts_under_load,
    .timeout_ms = 3600000)
{
    struct launched server = launched_begin(&(struct launch){.program = RESTART_SERVER});
    struct restart_load *load = restart_load_begin(&(struct restart_load_options){
        .port = server.port, .keeping = 16, .single = 4, .framed = 8, .websockets = 16});
    struct restart_load_result r;

    for (unsigned i = 0; i < restarts(); i++)
        launched_restart(&server);
    r = restart_load_end(load);
    printf("# %u restarts: %" PRIu64 " requests, %" PRIu64 " connections, %" PRIu64
           " of HTTP/2, %" PRIu64 " joins, told %" PRIu64 "; refused %" PRIu64 ", broken %" PRIu64
           ", lost %" PRIu64 "\n",
        restarts(), r.requests, r.connections, r.framed, r.joins, r.told, r.refused, r.broken,
        r.lost);
    CHECK_EQ(r.refused, 0);
    CHECK_EQ(r.broken, 0);
    CHECK_EQ(r.lost, 0);
    CHECK(r.requests > restarts() && r.connections > restarts());
#ifdef HAVE_LIBNGHTTP2
    CHECK(r.framed > restarts());
#endif
    CHECK(r.joins >= restarts() && r.told >= restarts());
    launched_end(&server);
}
