#include "channel/serializer.h"

#include "channel/v1.h"

static anqa_status read_v1(
    anqa_arena *arena, bool binary, anqa_str frame, struct v2_message *ret_message, anqa_error *err)
{
    if (binary)
        return anqa_fail(err, ANQA_E_PARSE, "a binary frame of a client of version 1");
    return v1_read(arena, frame, ret_message, err);
}

static anqa_status read_v2(
    anqa_arena *arena, bool binary, anqa_str frame, struct v2_message *ret_message, anqa_error *err)
{
    return binary ? v2_read_binary(frame, ret_message, err) : v2_read_text(frame, ret_message, err);
}

const struct serializer serializer_v2 = {
    .form = 0, .has_binary = true, .read = read_v2, .reply = v2_reply, .push = v2_push};
const struct serializer serializer_v1 = {
    .form = 1, .has_binary = false, .read = read_v1, .reply = v1_reply, .push = v1_push};

const struct serializer *serializer_of(anqa_str vsn)
{
    if (vsn.len < 5 || memcmp(vsn.ptr + 1, ".0.", 3) != 0)
        return NULL;
    for (size_t i = 4; i < vsn.len; i++)
        if (vsn.ptr[i] < '0' || vsn.ptr[i] > '9')
            return NULL;
    if (vsn.len > 5 && vsn.ptr[4] == '0')
        return NULL;
    return vsn.ptr[0] == '1' ? &serializer_v1 : vsn.ptr[0] == '2' ? &serializer_v2 : NULL;
}
