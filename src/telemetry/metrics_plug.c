/* Metrics for who asks over HTTP. */
#include <anqa/metrics.h>

void anqa_plug_metrics(anqa_conn *conn, const void *opts)
{
    anqa_conn_put_resp_header(
        conn, "content-type", anqa_str_of("text/plain; version=0.0.4; charset=utf-8"));
    (void)anqa_send_resp(conn, 200, anqa_metrics_text());
}
