/* The operations of ops.c's table that have a file of their own. */
#ifndef CONTROL_OPS_H
#define CONTROL_OPS_H

#include "control/control.h" /* IWYU pragma: export */

#define CONTROL_ASK_MS 5000u

#define CONTROL_OP(function) \
    anqa_status function(    \
        const struct control_request *request, anqa_json *ret_answer, anqa_error *err)

CONTROL_OP(control_info);
CONTROL_OP(control_js_coverage);
CONTROL_OP(control_js_pause);
CONTROL_OP(control_js_processes);
CONTROL_OP(control_js_profile);
CONTROL_OP(control_js_report);
CONTROL_OP(control_js_resume);
CONTROL_OP(control_js_stack);
CONTROL_OP(control_js_variables);
CONTROL_OP(control_kill);
CONTROL_OP(control_metrics);
CONTROL_OP(control_process_list);
CONTROL_OP(control_resume);
CONTROL_OP(control_state);
CONTROL_OP(control_suspend);
CONTROL_OP(control_system);
CONTROL_OP(control_trace);
CONTROL_OP(control_tree);

/* What those that look at processes share: a writer for an answer, in the event's memory; the process that the arguments
 * name; numbers of theirs; an action on the process, which is logged. */
anqa_json_writer *control_writer(void);
anqa_status control_find(const struct control_request *request, anqa_pid *ret_pid, anqa_error *err);
/* A number of the arguments, `otherwise` where it is not there.   Fails: E_RANGE (no number from 0 to max). */
anqa_status control_number(const struct control_request *request, const char *key, uint32_t max,
    uint32_t otherwise, uint32_t *ret_number, anqa_error *err) ANQA_MUST_CHECK;
anqa_status control_act(const struct control_request *request, anqa_json *ret_answer,
    anqa_error *err, anqa_status (*action)(anqa_pid pid, uint32_t timeout_ms, anqa_error *err));

#endif
