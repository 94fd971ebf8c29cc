/*
 * Any bytes as the answer to a WebSocket's handshake. What must hold:
 *  - however they arrive, the end is the same, and nothing comes of less than a whole head;
 *  - what is agreed on lies in the head, and was offered;
 *  - what follows the head changes nothing.
 */
#include "js/web/net_handshake.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct handshake handshake = {.protocols = "one, two"};
    char *bytes = malloc(size + 1);
    size_t whole_len = 0;
    anqa_str whole_protocol = {NULL, 0};
    const char *why = NULL;
    enum handshake_result whole;

    require(bytes != NULL);
    memcpy(bytes, data, size);
    memcpy(handshake.key, "dGhlIHNhbXBsZSBub25jZQ==", sizeof handshake.key);
    whole =
        handshake_read(&handshake, anqa_str_make(bytes, size), &whole_len, &whole_protocol, &why);
    if (whole == HANDSHAKE_DONE) {
        require(whole_len <= size && bytes[whole_len - 1] == '\n');
        require(whole_protocol.len == 0 || anqa_str_is(whole_protocol, "one") ||
                anqa_str_is(whole_protocol, "two"));
    }
    require((whole == HANDSHAKE_REFUSED) == (why != NULL));
    for (size_t len = 0; len < size; len++) {
        anqa_str protocol = {NULL, 0};
        size_t part_len = 0;
        enum handshake_result part =
            handshake_read(&handshake, anqa_str_make(bytes, len), &part_len, &protocol, &why);
        if (part == HANDSHAKE_MORE) /* then it said so before, too */
            continue;
        require(part == whole);
        require(part != HANDSHAKE_DONE ||
                (part_len == whole_len && protocol.len == whole_protocol.len));
        break;
    }
    free(bytes);
    return 0;
}
