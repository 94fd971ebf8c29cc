/*
 * What is inside of a token: {Data, SignedAtMs, MaxAgeS} in Erlang's external term format, which is what Plug.Crypto
 * writes. Context: process; results lie in the event's memory.
 */
#ifndef HTTP_TOKEN_TERM_H
#define HTTP_TOKEN_TERM_H

#include <anqa/token.h>

anqa_str token_term_write(anqa_str data, const anqa_token_opts *opts);

/* Fails: E_TYPE (no such term, or data of another kind), E_INVALID (of the future), E_EXPIRED. */
anqa_status token_term_read(
    anqa_str term, const anqa_token_opts *opts, anqa_str *ret_data) ANQA_MUST_CHECK;

#endif
