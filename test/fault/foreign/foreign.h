/* A library that stands for any library a program may use: it is neither the application nor Anqa. */
#ifndef FOREIGN_H
#define FOREIGN_H

/* Faults in here. */
typedef void foreign_crash_fn(void);
/* Calls back into the application. */
typedef void foreign_call_fn(void (*callback)(void));

foreign_crash_fn foreign_crash;
foreign_call_fn foreign_call;

#endif
