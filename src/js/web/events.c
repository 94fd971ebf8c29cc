/* Tasks: what is to run in a turn of its own. */
#include "js/convert.h"
#include "js/web/web.h"

/* Something for the function that web.source() knows as that number. False: not now, use a timer. */
static uint64_t op_task(struct js *js, const uint64_t *args)
{
    anqa_value_writer writer;
    anqa_value value;
    double id = 0;

    if (js->loading || !convert_number(args[0], &id) || id < 0 || id > UINT32_MAX)
        return JS_FALSE;
    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_put_undefined(&writer);
    return anqa_value_done(&writer, &value) == ANQA_OK &&
                   web_tell(anqa_self(), (uint32_t)id, value) == ANQA_OK
               ? JS_TRUE
               : JS_FALSE;
}

const struct js_op web_events_ops[] = {{op_task, true}, {0}};
