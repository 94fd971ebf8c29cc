/* Where control sockets lie. The `anqa` command looks where programs put them. */
#ifndef CONTROL_PATH_H
#define CONTROL_PATH_H

#include <anqa/base.h>

/* Room for the path of any Unix socket, with its NUL. */
#define CONTROL_PATH_MAX 108

/* The folder of this user's sockets; it may not be there. Fails: E_LIMIT (too long for a socket's path). */
anqa_status control_folder(char folder[CONTROL_PATH_MAX], anqa_error *err) ANQA_MUST_CHECK;

/* Whether a folder is this user's and nobody else may enter it. Fails: E_NOT_FOUND, E_PERMISSION, E_IO. */
anqa_status control_folder_check(const char *folder, anqa_error *err) ANQA_MUST_CHECK;

/* Makes it if it is not there, and checks it. Fails as control_folder_check. */
anqa_status control_folder_make(const char *folder, anqa_error *err) ANQA_MUST_CHECK;

/* The socket of a program in a folder. pid: 0, or of one that is not the first of its name. A name's '/' becomes '_'.
 * Fails: E_LIMIT (too long). */
anqa_status control_path(const char *folder, const char *name, long pid,
    char path[CONTROL_PATH_MAX], anqa_error *err) ANQA_MUST_CHECK;

#endif
