/* The operations of the module crypto. */
#ifndef JS_WEB_CRYPTO_H
#define JS_WEB_CRYPTO_H

#include "js/web/web.h" // IWYU pragma: export

extern const struct js_op web_crypto_ops[];

#endif
