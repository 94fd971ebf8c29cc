/* Arguments of anqa_main that are answered by areas above this one: something is printed, and the program ends. */
#ifndef OTP_ARGUMENT_H
#define OTP_ARGUMENT_H

#include <anqa/application.h>

struct main_argument {
    const char *name;  /* "--routes" */
    const char *about; /* for --help */
    /* value: what stands behind '=', or NULL. Returns the program's exit status. */
    int (*answer)(const anqa_app *app, const char *value);
    struct main_argument *next;
};

/* Before main: from a constructor in a file that is linked wherever the argument makes sense. */
void main_argument_add(struct main_argument *argument);

#endif
