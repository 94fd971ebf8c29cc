/*
 * Any bytes as what a client offers in Sec-WebSocket-Extensions, in one field and in two. What must hold:
 *  - what was agreed on was offered, and an answer to that is short and a value of a field;
 *  - the answer, taken as an offer, is accepted with the same result;
 *  - a malformed field agrees on nothing, and two fields are one list.
 */
#include "http/extension.h"

#include "http/deflate.h"
#include "http/response.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct request req;

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void put_field(anqa_str value)
{
    req.headers[req.header_count++] =
        (struct request_header){anqa_str_of("sec-websocket-extensions"), value};
}

static void check_agreed(const struct ws_deflate *agreed, bool client_context)
{
    char out[EXTENSION_ANSWER_MAX];
    anqa_str answer = extension_answer(agreed, out);
    struct ws_deflate again;

    require(agreed->on == (answer.len > 0));
    if (!agreed->on)
        return;
    require(answer.len < sizeof out && response_is_value(answer));
    require(agreed->client_bits >= DEFLATE_WINDOW_MIN && agreed->server_bits >= DEFLATE_WINDOW_MIN);
    require(client_context || !agreed->client_context);
    req.header_count = 0;
    put_field(answer);
    require(extension_choose(&req, client_context, &again));
    require(again.on && again.client_context == agreed->client_context);
    require(again.client_bits == agreed->client_bits && again.server_bits == agreed->server_bits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    anqa_str value = {(const char *)data, size};
    struct ws_deflate agreed = {0}, twice = {0};

    for (unsigned context = 0; context < 2; context++) {
        bool good;
        req.header_count = 0;
        put_field(value);
        good = extension_choose(&req, context != 0, &agreed);
        put_field(anqa_str_of("permessage-deflate; client_max_window_bits=9"));
        require(extension_choose(&req, context != 0, &twice) == good);
        if (!good)
            continue;
        require(twice.on == deflate_available);
        if (agreed.on)
            require(twice.client_bits == agreed.client_bits);
        check_agreed(&agreed, context != 0);
    }
    return 0;
}
