/* What the test of the fallback shares with static.c. */
#ifndef HTTP_STATIC_INT_H
#define HTTP_STATIC_INT_H

/* Opens `path`, which has no "." or ".." part, beneath `folder_fd`. Returns the descriptor, or -1 with errno. */
int static_open_beneath(int folder_fd, const char *path);

/* The same without openat2: follows no symbolic link. */
int static_open_stepwise(int folder_fd, const char *path);

#endif
