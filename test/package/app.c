/* The smallest application: it says whether the headers and the library that it got fit each other. */
#include <anqa/base.h>

#include <dlfcn.h>
#include <stdio.h>

/* Found by name only if the application was linked with -rdynamic; backtraces find names in the same way. */
int shown_in_backtraces(void);

int shown_in_backtraces(void)
{
    return 1;
}

int main(void)
{
    anqa_error err = {0};

    if (strcmp(anqa_version(), ANQA_VERSION_STRING) != 0) {
        fprintf(stderr, "headers of %s, library of %s\n", ANQA_VERSION_STRING, anqa_version());
        return 1;
    }
    if (dlsym(dlopen(NULL, RTLD_NOW), "shown_in_backtraces") == NULL) {
        fprintf(stderr, "not linked with -rdynamic: %s\n", dlerror());
        return 1;
    }
    if (anqa_fail(&err, ANQA_E_TIMEOUT, "tried %d times", 3) != ANQA_E_TIMEOUT ||
        strcmp(err.text, "tried 3 times") != 0)
        return 1;
    printf("anqa %s\n", anqa_version());
    return 0;
}
