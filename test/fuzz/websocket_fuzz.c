/*
 * Any bytes as frames of a client, with and without compression, and of a server. What must hold:
 *  - however they are cut, the same events come of them;
 *  - text is UTF-8, messages and control frames keep their limits, codes are those that may be sent;
 *  - a frame that is not whole is left as it is; the bytes that are needed are more than there are;
 *  - after the end nothing comes any more.
 */
#include "http/websocket.h"

#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct websocket_limits limits = {.frame_bytes = 4096, .message_bytes = 2048};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool may_be_sent(unsigned code)
{
    return code == 1000 || code == 1002 || code == 1007 || code == 1008 || code == 1009;
}

static void check_event(enum websocket_result result, const struct websocket_event *event)
{
    anqa_str payload = event->payload;

    switch (result) {
    case WEBSOCKET_MESSAGE:
        require(event->opcode == WEBSOCKET_TEXT || event->opcode == WEBSOCKET_BINARY);
        require(event->opcode == WEBSOCKET_BINARY || utf8_valid(payload.ptr, payload.len));
        require(payload.len <= limits.frame_bytes);
        break;
    case WEBSOCKET_CONTROL:
        require(event->opcode == WEBSOCKET_PING || event->opcode == WEBSOCKET_PONG);
        require(payload.len <= WEBSOCKET_CONTROL_MAX);
        break;
    case WEBSOCKET_CLOSED:
        require(event->code == 1000 && utf8_valid(payload.ptr, payload.len));
        require(payload.len <= WEBSOCKET_CONTROL_MAX - 2);
        break;
    case WEBSOCKET_BROKEN: require(may_be_sent(event->code) && event->why != NULL); break;
    case WEBSOCKET_MORE:
    case WEBSOCKET_BUSY: break;
    }
}

static uint64_t mix(uint64_t hash, uint64_t x)
{
    return (hash ^ x) * 0x100000001b3u;
}

/* A hash of all events, with `step` bytes more each time. */
static uint64_t run(
    const uint8_t *data, size_t size, size_t step, struct ws_deflate deflate, bool client)
{
    struct websocket ws = {.deflate = deflate, .client = client};
    char *bytes = malloc(size + 1);
    size_t have = 0, at = 0;
    uint64_t hash = 1;
    bool ended = false;

    require(bytes != NULL);
    while (have < size) {
        size_t part = size - have < step ? size - have : step;
        enum websocket_result result;
        memcpy(bytes + have, data + have, part);
        have += part;
        do {
            struct websocket_event event;
            size_t taken;
            result = websocket_read(&ws, bytes + at, have - at, &limits, &taken, &event);
            require(taken <= have - at);
            at += taken;
            check_event(result, &event);
            require(!ended || result == WEBSOCKET_MORE);
            if (result == WEBSOCKET_BUSY)
                continue;
            if (result == WEBSOCKET_MORE) {
                require(event.need > have - at);
                require(memcmp(bytes + at, data + at, have - at) == 0);
                break;
            }
            ended = result == WEBSOCKET_CLOSED || result == WEBSOCKET_BROKEN;
            hash = mix(mix(mix(hash, result), event.opcode), event.code);
            for (size_t i = 0; i < event.payload.len; i++)
                hash = mix(hash, (unsigned char)event.payload.ptr[i]);
        } while (true);
    }
    hash = mix(hash, ws.under_way);
    require(ws.message == NULL || ws.under_way || deflate.client_context);
    websocket_done(&ws);
    free(bytes);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ws_deflate modes[] = {{0},
        {.on = true, .client_bits = 15, .server_bits = 15},
        {.on = true, .client_context = true, .client_bits = 9, .server_bits = 15}};

    for (size_t i = 0; i <= (deflate_available ? ANQA_COUNT(modes) : 1); i++) {
        bool client = i == 0;
        struct ws_deflate mode = client ? modes[0] : modes[i - 1];
        uint64_t whole = run(data, size, size, mode, client);
        if (size == 0)
            continue;
        require(run(data, size, 1, mode, client) == whole);
        require(run(data, size, 7, mode, client) == whole);
        require(run(data, size, size / 2 + 1, mode, client) == whole);
    }
    return 0;
}
