/* Files without a name that requests are read into. Context: process; what touches the disk does so on a worker, and waits. */
#ifndef HTTP_UPLOAD_H
#define HTTP_UPLOAD_H

#include <anqa/base.h>

#define SPOOL_SIZE ((size_t)64 << 10)

/* Gathers what is written. Lies on the heap, as long as the request. */
struct spool {
    int fd;
    int errnum; /* of the last write; 0 */
    size_t len;
    char bytes[SPOOL_SIZE];
};

struct spool *spool_new(void);
/* Begins a file, which is closed with the request. dir: NULL for the default. Fails: as open; errno is the spool's. */
bool spool_open(struct spool *spool, const char *dir);
bool spool_write(struct spool *spool, anqa_str bytes);
/* Writes what is left, and goes back to the file's beginning. */
bool spool_finish(struct spool *spool);

#endif
