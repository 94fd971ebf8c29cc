/* The secret that signed cookies and sessions of an endpoint rest on; see anqa_conn_secret. */
#ifndef HTTP_SECRET_H
#define HTTP_SECRET_H

#include <anqa/conn.h>

#define SECRET_MIN_BYTES 64

/*
 * What the endpoint says, else SECRET_KEY_BASE in the environment, else with ANQA_ENV=dev the one of the folder (http/secret_file.h),
 * else one made for this run of the program, which is logged. With ANQA_ENV=prod none is made: there it is empty, or refused where it is
 * `needed`; and one that repeats itself is refused.
 * ret_secret: borrowed, or as long as the program.   Fails: E_INVALID (too short, weak, or missing).   Context: process.
 */
anqa_status secret_find(
    const char *given, bool needed, anqa_str *ret_secret, anqa_error *err) ANQA_MUST_CHECK;

#endif
