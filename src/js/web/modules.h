/*
 * The modules of the web platform, in the order in which they are loaded: name, the flag that asks for it, flags of the
 * modules that it needs (which come before it), the operations that it adds to the host's (NULL: none).
 * Read by web.c, and by web.S through the preprocessor: macros and comments only.
 */
#ifndef JS_WEB_MODULES_H
#define JS_WEB_MODULES_H

/* Modules that others need and scripts do not ask for. */
#define WEB_CLONE (1u << 31)

/* clang-format off */
#if defined ANQA_ZLIB
#define WEB_MODULE_MAP_ZLIB(X) \
    X(compression, ANQA_JS_COMPRESSION, ANQA_JS_STREAMS, web_compression_ops)
#else
#define WEB_MODULE_MAP_ZLIB(X)
#endif
#if defined ANQA_CURL
#define WEB_MODULE_MAP_NET(X) \
    X(fetch, ANQA_JS_FETCH, ANQA_JS_HTTP, web_net_ops) \
    X(eventsource, ANQA_JS_EVENTSOURCE, ANQA_JS_EVENTS | ANQA_JS_ENCODING | ANQA_JS_URL, web_net_ops) \
    X(websocket, ANQA_JS_WEBSOCKET, ANQA_JS_BLOB | ANQA_JS_URL, web_net_ops)
#else
#define WEB_MODULE_MAP_NET(X)
#endif
#define WEB_MODULE_MAP(X) \
    X(clone, WEB_CLONE, 0, web_clone_ops) \
    X(events, ANQA_JS_EVENTS, WEB_CLONE, web_events_ops) \
    X(encoding, ANQA_JS_ENCODING, WEB_CLONE, web_encoding_ops) \
    X(url, ANQA_JS_URL, 0, web_url_ops) \
    X(performance, ANQA_JS_PERFORMANCE, ANQA_JS_EVENTS | WEB_CLONE, NULL) \
    X(locks, ANQA_JS_LOCKS, ANQA_JS_EVENTS | WEB_CLONE, NULL) \
    X(storage, ANQA_JS_STORAGE, 0, NULL) \
    X(streams, ANQA_JS_STREAMS, ANQA_JS_EVENTS | ANQA_JS_ENCODING, NULL) \
    X(blob, ANQA_JS_BLOB, ANQA_JS_STREAMS, NULL) \
    X(http, ANQA_JS_HTTP, ANQA_JS_BLOB | ANQA_JS_URL, NULL) \
    X(crypto, ANQA_JS_CRYPTO, WEB_CLONE, web_crypto_ops) \
    X(worker, ANQA_JS_WORKER, ANQA_JS_EVENTS, web_worker_ops) \
    WEB_MODULE_MAP_ZLIB(X) \
    WEB_MODULE_MAP_NET(X)

#endif
