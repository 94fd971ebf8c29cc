/* What this area has of introspection beside anqa/introspect.h. */
#ifndef OTP_INTROSPECT_H
#define OTP_INTROSPECT_H

/* IWYU pragma: begin_exports */
#include <anqa/introspect.h>
/* IWYU pragma: end_exports */

/* Whether the process is one that answers what anqa_sys_ functions ask. */
bool introspect_is_child(anqa_pid pid, bool *ret_alive);

/* Members of a JSON object; nothing is written for what is empty or nobody. What is not UTF-8 becomes question marks.
 * key: NULL within an array. */
void introspect_put_str(anqa_json_writer *w, const char *key, anqa_str text);
void introspect_put_text(anqa_json_writer *w, const char *key, const char *text);
void introspect_put_pid(anqa_json_writer *w, const char *key, anqa_pid pid);
void introspect_put_number(anqa_json_writer *w, const char *key, uint64_t number);
/* What anqa_process_info_put writes into its object. */
void introspect_put_members(anqa_json_writer *w, const anqa_process_info *info);
/* Without names, for which all would have to be looked at. False: it is dead. */
bool introspect_glance(anqa_pid pid, anqa_process_info *ret_info);

#endif
