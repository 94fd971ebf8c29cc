/*
 * Any bytes as a value. Properties: what is accepted can be read to its end, and written again piece by piece it is the
 * same bytes; every shorter run of them is refused.
 */
#include <anqa/value.h>

#include <stdlib.h>

static void require(bool so)
{
    if (!so)
        abort();
}

static void copy(anqa_value value, anqa_value_writer *writer);

static void copy_container(anqa_value value, anqa_value_writer *writer, bool map)
{
    anqa_value_each each = anqa_value_begin(value);
    anqa_value element;
    anqa_str key = {NULL, 0};
    size_t count = 0;

    if (map)
        anqa_value_map_begin(writer);
    else
        anqa_value_array_begin(writer);
    while (anqa_value_next(&each, &key, &element)) {
        if (map)
            anqa_value_key(writer, key);
        else if (count == 3)
            require(anqa_value_at(value, 3).ptr == element.ptr);
        copy(element, writer);
        count++;
    }
    require(count == anqa_value_count(value));
    anqa_value_end(writer);
}

static void copy(anqa_value value, anqa_value_writer *writer)
{
    bool b = false;
    int64_t n = 0;
    double d = 0;
    uint64_t bits = 0;
    anqa_str s = anqa_value_str(value);

    switch (anqa_value_kind_of(value)) {
    case ANQA_VALUE_UNDEFINED: anqa_value_put_undefined(writer); return;
    case ANQA_VALUE_NULL: anqa_value_put_null(writer); return;
    case ANQA_VALUE_BOOL:
        require(anqa_value_get_bool(value, &b) == ANQA_OK);
        anqa_value_put_bool(writer, b);
        return;
    case ANQA_VALUE_INT:
        require(anqa_value_get_int(value, &n) == ANQA_OK);
        anqa_value_put_int(writer, n);
        return;
    case ANQA_VALUE_DOUBLE:
        require(anqa_value_get_double(value, &d) == ANQA_OK);
        anqa_value_put_double(writer, d);
        return;
    case ANQA_VALUE_BIGINT:
        require(anqa_value_get_bigint(value, &b, &s) == ANQA_OK);
        anqa_value_put_bigint(writer, b, s);
        return;
    case ANQA_VALUE_STRING: anqa_value_put_str(writer, s); return;
    case ANQA_VALUE_BYTES: anqa_value_put_bytes(writer, s); return;
    case ANQA_VALUE_ARRAY: copy_container(value, writer, false); return;
    case ANQA_VALUE_MAP: copy_container(value, writer, true); return;
    case ANQA_VALUE_DATE:
        require(anqa_value_get_date(value, &d) == ANQA_OK);
        anqa_value_put_date(writer, d);
        return;
    case ANQA_VALUE_PID:
        require(anqa_value_get_bits(value, &bits) == ANQA_OK);
        anqa_value_put_pid(writer, bits);
        return;
    case ANQA_VALUE_REF:
        require(anqa_value_get_bits(value, &bits) == ANQA_OK);
        anqa_value_put_ref(writer, bits);
        return;
    }
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    anqa_arena arena = {0};
    anqa_value_writer writer;
    anqa_value value, again;

    if (anqa_value_check(data, size, NULL, &value) == ANQA_OK) {
        anqa_value_writer_init(&writer, &arena, NULL);
        copy(value, &writer);
        require(anqa_value_done(&writer, &again) == ANQA_OK);
        require(again.len == size && memcmp(again.ptr, data, size) == 0);
        require(anqa_value_check(data, size - 1, NULL, &again) != ANQA_OK);
    }
    anqa_arena_done(&arena);
    return 0;
}
