/*
 * Any bytes as a form. What must hold: what is read is one object of JSON that can be checked, no deeper than names may be;
 * a form that is read can be read with another one in front of it, whose names it wins.
 */
#include "http/form.h"

#include "fuzz/process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_wins(anqa_str text, anqa_json object)
{
    const char *longer = anqa_tmp_printf("zz%%5Bfuzz%%5D=1&%.*s", ANQA_FMT(text));
    anqa_json again, value, other;
    anqa_json_iter it = anqa_json_each(object);
    anqa_str name;

    if (form_decode(anqa_str_make(longer, text.len + strlen("zz%5Bfuzz%5D=1&")), &again) != ANQA_OK)
        return; /* one pair too many */
    while (anqa_json_next(&it)) {
        fuzz_require(anqa_json_to_str(anqa_tmp(), it.key, &name) == ANQA_OK);
        fuzz_require(anqa_json_get_named(again, name, &value) == ANQA_OK);
        fuzz_require(anqa_json_get_named(object, name, &other) == ANQA_OK);
        fuzz_require(
            anqa_str_is(name, "zz") || anqa_str_eq(anqa_json_text(value), anqa_json_text(other)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const anqa_json_limits limits = {.max_depth = 2 * FORM_DEPTH_MAX};
    anqa_str text = anqa_str_make((const char *)data, size);
    anqa_json object;

    if (size > 10000 ||
        (size != 0 && memchr(data, '\0', size) != NULL)) /* printf's %.*s ends there */
        return 0;
    fuzz_begin();
    if (form_decode(text, &object) == ANQA_OK) {
        fuzz_require(anqa_json_type_of(object) == ANQA_JSON_IS_OBJECT);
        fuzz_require(anqa_json_check(anqa_json_text(object), &limits, NULL) == ANQA_OK);
        check_wins(text, object);
    }
    fuzz_event_over();
    return 0;
}
