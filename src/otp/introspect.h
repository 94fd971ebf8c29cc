/* What this area has of introspection beside anqa/introspect.h. */
#ifndef OTP_INTROSPECT_H
#define OTP_INTROSPECT_H

/* IWYU pragma: begin_exports */
#include <anqa/introspect.h>
/* IWYU pragma: end_exports */

/* Whether the process is one that answers what anqa_sys_ functions ask. */
bool introspect_is_child(anqa_pid pid, bool *ret_alive);

#endif
