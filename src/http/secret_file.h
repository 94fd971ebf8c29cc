/*
 * The secret of a program that is developed: made once for its folder, so that who is logged in stays so when the program is started again.
 *
 * It stands in `.anqa/secret_key_base` below the folder in which the program runs, for its user alone (0600), and that folder
 * hides itself from git. Whatever is not ours, can be read by others, is a link or is too short is not used.
 */
#ifndef HTTP_SECRET_FILE_H
#define HTTP_SECRET_FILE_H

#include <anqa/base.h>

#define SECRET_FILE_BYTES 64 /* of randomness */
#define SECRET_FILE_TEXT 88  /* characters, without a NUL */

/* Reads the secret, and makes it if there is none; of programs that start together one makes it.
 * folder: "." as a rule.   Fails: with err. Context: any thread; waits for the disk only. */
anqa_status secret_file_read(
    const char *folder, char ret_secret[static SECRET_FILE_TEXT], anqa_error *err) ANQA_MUST_CHECK;

#endif
