/**
 * anqa/anqa.h - all of Anqa, for applications.
 */
#ifndef ANQA_ANQA_H
#define ANQA_ANQA_H

/* IWYU pragma: begin_exports */
#include <anqa/agent.h>
#include <anqa/application.h>
#include <anqa/arena.h>
#include <anqa/backoff.h>
#include <anqa/base.h>
#include <anqa/buf.h>
#include <anqa/channel.h>
#include <anqa/compress.h>
#include <anqa/config.h>
#include <anqa/conn.h>
#include <anqa/control.h>
#include <anqa/cookie.h>
#include <anqa/csrf.h>
#include <anqa/endpoint.h>
#include <anqa/fault.h>
#include <anqa/gen_server.h>
#include <anqa/gen_statem.h>
#include <anqa/html.h>
#include <anqa/introspect.h>
#include <anqa/js.h>
#include <anqa/js_debug.h>
#include <anqa/js_pool.h>
#include <anqa/json.h>
#include <anqa/log.h>
#include <anqa/memory.h>
#include <anqa/metrics.h>
#include <anqa/net.h>
#include <anqa/params.h>
#include <anqa/partition_supervisor.h>
#include <anqa/pg.h>
#include <anqa/plugs.h>
#include <anqa/presence.h>
#include <anqa/process.h>
#include <anqa/pubsub.h>
#include <anqa/raw_socket.h>
#include <anqa/registry.h>
#include <anqa/requests.h>
#include <anqa/router.h>
#include <anqa/retry.h>
#include <anqa/runtime.h>
#include <anqa/session.h>
#include <anqa/supervisor.h>
#include <anqa/table.h>
#include <anqa/task.h>
#include <anqa/telemetry.h>
#include <anqa/tls.h>
#include <anqa/token.h>
#include <anqa/value.h>
#include <anqa/websocket.h>
/* IWYU pragma: end_exports */

#endif
