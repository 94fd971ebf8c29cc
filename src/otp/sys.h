/*
 * OTP's sys: what servers and supervisors answer beside their own calls. One call, known by the address of its tag; its
 * payload is a struct sys_request, with JSON behind it. A suspended process waits in the midst of that call for others of
 * its kind, and leaves all other messages where they are.
 */
#ifndef OTP_SYS_H
#define OTP_SYS_H

/* IWYU pragma: begin_exports */
#include "otp/child.h"
/* IWYU pragma: end_exports */

extern const char sys_tag[];

/* Answers a call with sys_tag; to suspend it, returns when it goes on. */
void sys_handle(struct child_head *head, const anqa_msg *call);

/* Summaries of supervisors; they live as long as the current event. */
anqa_json supervisor_state(struct child_head *head);
anqa_json dynamic_state(struct child_head *head);

#endif
