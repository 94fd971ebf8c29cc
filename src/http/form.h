/*
 * Queries and forms as one nested value: what anqa/params.h says of names.
 *
 * A name is cut at its brackets: `a[b][]` has the parts "a", "b" and "". Pairs are put into a tree from the last one to the
 * first, and what does not fit to what is there is dropped; so the last one counts.
 *
 * Context: process; the results lie in the event's memory. Never waits.
 */
#ifndef HTTP_FORM_H
#define HTTP_FORM_H

#include <anqa/json.h>

#define FORM_DEPTH_MAX 32u /* parts of a name */

/* A name, whole, and its value, each decoded and UTF-8. */
struct form_pair {
    anqa_str name;
    anqa_json value;
};

/* Fails: E_LIMIT (a name of too many parts). */
anqa_status form_nest(
    const struct form_pair *pairs, size_t count, anqa_json *ret_object) ANQA_MUST_CHECK;

/* The pairs of a query, or of a form that came urlencoded.
 * Fails: E_PARSE (bad escape, not UTF-8), E_LIMIT (more than QUERY_PAIRS_MAX pairs, too many parts). */
anqa_status form_decode(anqa_str text, anqa_json *ret_object) ANQA_MUST_CHECK;

#endif
