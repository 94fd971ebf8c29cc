/* The integrity of what fetch gets; what it says is compared with Node in web/integrity.cases.mjs. */
#include "support.h"

TEST(integrity_is_seen_of_answers_as_large_as_values_may_be)
{
    static const anqa_js_script small =
        ANQA_JS_SCRIPT(.name = "small", .source = "export const none = 0;", .apis = ANQA_JS_FETCH,
            .limits = {.turn_ms = 10000, .values = {.bytes = 600000}});
    static const char data[] =
        "fetch('data:,' + 'x'.repeat(%u), {integrity: 'sha256-%s'}).then((r) => r.text()).then((t) "
        "=> t.length, (e) => e.message)";
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&small);

    /* by a worker, which is given them */
    CHECK_STR(js_eval(pid, anqa_tmp_printf(data, 700000, "AAAA")),
        "\"fetch failed: its integrity cannot be seen: OperationError:more bytes than the limit "
        "for values of this script\"");
    CHECK_STR(js_eval(pid, anqa_tmp_printf(data, 5, "AAAA")),
        "\"fetch failed: the answer is not what its integrity says\"");
    CHECK_STR(
        js_eval(pid, anqa_tmp_printf(data, 5, "6vFrwHlo4BPz+UqxNCRyQ0o5/DR18RzzQabDlll0+Ok=?x")),
        "5");
    CHECK_STR(js_eval(pid, "fetch('data:,y').then((r) => r.text())"), "\"y\""); /* of no host */
    js_end(rt);
}
