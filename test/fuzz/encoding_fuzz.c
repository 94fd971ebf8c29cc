/*
 * Any bytes as a field Accept-Encoding. What must hold: qualities are from 0 to 1,000; what is chosen is there and wanted, and nothing that is
 * there is wanted more; cut at a comma into two fields it says the same.
 */
#include "http/encoding.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_choice(const struct encoding_taste *taste, unsigned have)
{
    enum encoding chosen = encoding_choose(taste, have);

    require(
        chosen == ENCODING_IDENTITY || ((have & 1u << chosen) != 0 && taste->quality[chosen] > 0));
    for (unsigned i = 0; i < ENCODING_IDENTITY; i++)
        if ((have & 1u << i) != 0)
            require(taste->quality[i] <= taste->quality[chosen]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    anqa_str name = anqa_str_of("Accept-Encoding"), field = anqa_str_make((const char *)data, size);
    struct request whole = {.header_count = 1, .headers = {{name, field}}}, cut = whole;
    const char *comma = size == 0 ? NULL : memrchr(field.ptr, ',', size);
    struct encoding_taste taste = encoding_taste_of(&whole), again;

    for (unsigned i = 0; i < ENCODING_COUNT; i++)
        require(taste.quality[i] <= 1000);
    for (unsigned have = 0; have < 4; have++)
        check_choice(&taste, have);
    if (comma == NULL)
        return 0;
    cut.header_count = 2;
    cut.headers[0].value.len = (size_t)(comma - field.ptr);
    cut.headers[1] = (struct request_header){
        name, anqa_str_make(comma + 1, size - cut.headers[0].value.len - 1)};
    again = encoding_taste_of(&cut);
    require(memcmp(&taste, &again, sizeof taste) == 0);
    return 0;
}
