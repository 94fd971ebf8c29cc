/* A text that grows in the memory of the current event. */
#ifndef OTP_TEXT_H
#define OTP_TEXT_H

#include <stddef.h>

/* Starts zeroed. No NUL behind it. */
struct text {
    char *bytes;
    size_t len, size;
};

void text_put(struct text *text, const char *bytes, size_t len);
void text_puts(struct text *text, const char *s);

#endif
