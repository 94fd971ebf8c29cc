#include "http/encoding.h"

#define QUALITY_MAX 1000u
#define UNSAID UINT16_MAX

static const struct {
    const char *name, *alias, *ending;
} encodings[ENCODING_COUNT] = {
    [ENCODING_BR] = {"br", NULL, ".br"},
    [ENCODING_GZIP] = {"gzip", "x-gzip", ".gz"},
    [ENCODING_IDENTITY] = {"identity", NULL, NULL},
};

const char *encoding_name(enum encoding encoding)
{
    return encoding == ENCODING_IDENTITY ? NULL : encodings[encoding].name;
}

const char *encoding_ending(enum encoding encoding)
{
    return encodings[encoding].ending;
}

/* ---------------------------------------------------------------- what a client says */

/* RFC 9110, 12.4.2: "0", "0.5", "1.000". False: it is none. */
static bool read_quality(anqa_str text, uint16_t *ret_quality)
{
    unsigned quality, scale = QUALITY_MAX;

    if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1') ||
        (text.len > 1 && text.ptr[1] != '.'))
        return false;
    quality = (unsigned)(text.ptr[0] - '0') * QUALITY_MAX;
    for (size_t i = 2; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        scale /= 10;
        quality += (unsigned)(text.ptr[i] - '0') * scale;
    }
    *ret_quality = (uint16_t)quality;
    return quality <= QUALITY_MAX;
}

/* "gzip", "gzip;q=0.5", "gzip ; Q=0.5". */
static bool read_element(anqa_str element, anqa_str *ret_name, uint16_t *ret_quality)
{
    const char *end = memchr(element.ptr, ';', element.len);
    anqa_str weight;

    *ret_quality = QUALITY_MAX;
    *ret_name = element;
    if (end == NULL)
        return true;
    ret_name->len = (size_t)(end - element.ptr);
    *ret_name = request_trim(*ret_name);
    weight = request_trim(anqa_str_make(end + 1, (size_t)(element.ptr + element.len - (end + 1))));
    return weight.len > 2 && (weight.ptr[0] == 'q' || weight.ptr[0] == 'Q') &&
           weight.ptr[1] == '=' &&
           read_quality(anqa_str_make(weight.ptr + 2, weight.len - 2), ret_quality);
}

static bool is_called(enum encoding encoding, anqa_str name)
{
    const char *alias = encodings[encoding].alias;

    return request_same_word(name, anqa_str_of(encodings[encoding].name)) ||
           (alias != NULL && request_same_word(name, anqa_str_of(alias)));
}

/* Adds what one field says; *others: the quality of those that are not named. */
static void read_field(anqa_str list, struct encoding_taste *taste, uint16_t *others)
{
    anqa_str element, name;
    uint16_t quality;

    while (request_next_token(&list, &element)) {
        if (!read_element(element, &name, &quality))
            continue;
        if (anqa_str_is(name, "*"))
            *others = quality;
        for (unsigned i = 0; i < ENCODING_COUNT; i++)
            if (is_called(i, name))
                taste->quality[i] = quality;
    }
}

struct encoding_taste encoding_taste_of(const struct request *request)
{
    struct encoding_taste taste;
    uint16_t others = UNSAID;

    for (unsigned i = 0; i < ENCODING_COUNT; i++)
        taste.quality[i] = UNSAID;
    for (size_t i = 0; i < request->header_count; i++)
        if (request_same_word(request->headers[i].name, anqa_str_of("accept-encoding")))
            read_field(request->headers[i].value, &taste, &others);
    for (unsigned i = 0; i < ENCODING_COUNT; i++)
        if (taste.quality[i] == UNSAID && i != ENCODING_IDENTITY)
            taste.quality[i] = others == UNSAID ? 0 : others;
    /* Who does not speak of it takes it, but asks for something else. */
    if (taste.quality[ENCODING_IDENTITY] == UNSAID)
        taste.quality[ENCODING_IDENTITY] = 0;
    return taste;
}

enum encoding encoding_choose(const struct encoding_taste *taste, unsigned have)
{
    enum encoding best = ENCODING_IDENTITY;

    for (unsigned i = ENCODING_COUNT - 1; i-- > 0;)
        if ((have & 1u << i) != 0 && taste->quality[i] != 0 &&
            taste->quality[i] >= taste->quality[best])
            best = i;
    return best;
}
