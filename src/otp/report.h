/* What SIGUSR1 makes anqa_main say. */
#ifndef OTP_REPORT_H
#define OTP_REPORT_H

/* IWYU pragma: begin_exports */
#include <anqa/runtime.h>
/* IWYU pragma: end_exports */

/* Has a process write the trees of all applications and the figures of the system to standard error. Does not wait; does
 * nothing while one is at it still. Any thread. */
void report_write(anqa_rt *rt);

#endif
