/* Metrics over HTTP. */
#include <anqa/test.h>

static const anqa_router router = {
    .routes = (const anqa_route[]){ANQA_GET("/metrics", anqa_plug_metrics), {0}}};

ANQA_TEST(prometheus_gets_all_metrics_in_its_format)
{
    anqa_conn *conn = anqa_test_conn("GET", "/metrics");

    anqa_router_call(conn, &router);
    ANQA_ASSERT(strstr(ANQA_ASSERT_RESPONSE(conn, 200), "\nanqa_processes ") != NULL, "%s",
        anqa_test_resp_body(conn));
    ANQA_ASSERT_RESP_HEADER(conn, "content-type", "text/plain; version=0.0.4; charset=utf-8");
}
