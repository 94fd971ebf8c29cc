/* What retries and breakers have in common. */
#ifndef OTP_RETRY_H
#define OTP_RETRY_H

/* IWYU pragma: begin_exports */
#include <anqa/retry.h>
/* IWYU pragma: end_exports */

/* Whether a status is one of `on`, NULL: of those that may pass. ANQA_OK never is. */
bool status_is_on(anqa_status status, const anqa_status *on);

#endif
