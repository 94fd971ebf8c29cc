/*
 * A server that is restarted again and again under load: nobody is refused, no request breaks, and every WebSocket is told
 * to come back. 12 restarts; with ANQA_SOAK=full in the environment 1,000. --verbose prints what came of it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"
#include "otp/launched.h"
#include "soak/restart_load.h"

static unsigned restarts(void)
{
    const char *soak = getenv("ANQA_SOAK");

    return soak != NULL && anqa_str_is(anqa_str_of(soak), "full") ? 1000 : 12;
}

static char folder[] = "/tmp/anqa-restarts-XXXXXX", certificate[64], certfile[80];
static const char *const https[] = {"HTTPS_PORT=0", certfile, NULL};

/* With its key in the same file. False: this machine can not make one, or the tests can not speak TLS. */
static bool make_certificate(void)
{
    char command[512];

#ifndef HAVE_OPENSSL
    return false;
#endif
    if (system("command -v openssl >/dev/null") != 0)
        return false;
    CHECK(mkdtemp(folder) != NULL);
    snprintf(certificate, sizeof certificate, "%s/both.pem", folder);
    snprintf(certfile, sizeof certfile, "TLS_CERTFILE=%s", certificate);
    snprintf(command, sizeof command,
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost "
        "-days 2 -keyout %s -out - 2>/dev/null >%s.crt && cat %s.crt >>%s && rm %s.crt",
        certificate, certificate, certificate, certificate, certificate);
    CHECK_EQ(system(command), 0);
    return true;
}

TEST(nobody_is_refused_and_no_request_breaks_while_a_server_restarts_under_load,
    .timeout_ms = 3600000)
{
    bool secure = make_certificate();
    struct launched server = launched_begin(
        &(struct launch){.program = RESTART_SERVER, .variables = secure ? https : NULL});
    struct restart_load *load =
        restart_load_begin(&(struct restart_load_options){.port = server.port,
            .secure_port = secure ? launched_secure_port(&server) : 0,
            .keeping = 16,
            .single = 4,
            .framed = 4,
            .websockets = 16});
    struct restart_load_result r;

    for (unsigned i = 0; i < restarts(); i++)
        launched_restart(&server);
    r = restart_load_end(load);
    printf("# %u restarts: %" PRIu64 " requests, %" PRIu64 " connections, %" PRIu64
           " of HTTP/2 (%" PRIu64 " over TLS), %" PRIu64 " joins, told %" PRIu64
           "; refused %" PRIu64 ", broken %" PRIu64 ", lost %" PRIu64 "\n",
        restarts(), r.requests, r.connections, r.framed + r.secure, r.secure, r.joins, r.told,
        r.refused, r.broken, r.lost);
    CHECK_EQ(r.refused, 0);
    CHECK_EQ(r.broken, 0);
    CHECK_EQ(r.lost, 0);
    CHECK(r.requests > restarts() && r.connections > restarts());
#ifdef HAVE_LIBNGHTTP2
    CHECK(r.framed > restarts());
    CHECK(!secure || r.secure > restarts());
#endif
    CHECK(r.joins >= restarts() && r.told >= restarts());
    launched_end(&server);
    if (secure)
        CHECK(unlink(certificate) == 0 && rmdir(folder) == 0);
}
