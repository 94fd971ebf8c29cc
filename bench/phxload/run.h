#ifndef PHXLOAD_RUN_H
#define PHXLOAD_RUN_H

/* Each runs until its end, and returns the exit status of the program. */
int run_client(void);
int run_floor(void);

#endif
