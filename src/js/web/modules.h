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
#if defined ANQA_CURL
#define WEB_MODULE_MAP_NET(X) \
    X(websocket, ANQA_JS_WEBSOCKET, ANQA_JS_EVENTS, web_net_ops)
#else
#define WEB_MODULE_MAP_NET(X)
#endif
#define WEB_MODULE_MAP(X) \
    X(clone, WEB_CLONE, 0, web_clone_ops) \
    X(events, ANQA_JS_EVENTS, WEB_CLONE, web_events_ops) \
    X(encoding, ANQA_JS_ENCODING, WEB_CLONE, web_encoding_ops) \
    X(streams, ANQA_JS_STREAMS, ANQA_JS_EVENTS | ANQA_JS_ENCODING, NULL) \
    X(blob, ANQA_JS_BLOB, ANQA_JS_STREAMS, NULL) \
    X(crypto, ANQA_JS_CRYPTO, WEB_CLONE, web_crypto_ops) \
    WEB_MODULE_MAP_NET(X) \
    X(worker, ANQA_JS_WORKER, ANQA_JS_EVENTS, web_worker_ops) \

#endif
