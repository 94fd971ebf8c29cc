/*
 * The terminal as a screen: keys in, whole pictures out.
 *
 * Plain escape sequences that every terminal of the last thirty years knows; there is no library to agree with about what
 * $TERM means. A picture is made of lines; those that have changed since the last one are written, with one system call. The
 * terminal gets back what it was at screen_close, at exit, and before a fatal signal.
 */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include "cli/cli.h" /* IWYU pragma: export */

/* Keys that are no characters. */
enum key {
    KEY_NONE = -1,
    KEY_ENTER = '\r',
    KEY_ESCAPE = 0x1b,
    KEY_BACKSPACE = 0x7f,
    KEY_UP = 0x110000, /* beyond all characters */
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_PAGE_UP,
    KEY_PAGE_DOWN,
    KEY_HOME,
    KEY_END,
};

#define SCREEN_CTRL(letter) ((letter) & 0x1f)

struct screen {
    struct cli *cli; /* its arena lives from one picture to the next */
    int rows, columns;
    char **shown; /* lines that the terminal has, NULL: unknown; of malloc */
    int shown_rows;
    int row; /* of the picture in the making: the next line */
    FILE *out;
    char *bytes; /* what `out` has gathered */
    size_t len;
    unsigned char keys[64]; /* read and not understood yet */
    size_t key_count;
};

/* Takes the terminal over. False: stdin and stdout are none. */
bool screen_open(struct screen *screen, struct cli *cli);
void screen_close(struct screen *screen);
/* The terminal is the shell's for a while; from screen_resume on nothing of what was shown is there. */
void screen_suspend(void);
void screen_resume(struct screen *screen);

/* Asks for the size; what was shown is not there any more. */
void screen_measure(struct screen *screen);

/* Reads what was typed. False: there is nobody any more. */
bool screen_read(struct screen *screen);
/* The next key: a character, or enum key. all: an escape at the end is the key itself. KEY_NONE: none, or not all of it. */
int screen_key(struct screen *screen, bool all);

/* ---------------------------------------------------------------- pictures */

/* A line in the making. What does not fit into the screen's width is cut. */
struct line {
    struct screen *screen;
    char *bytes;
    size_t len, cap;
    size_t width;
    unsigned under; /* a look that all of it has */
};

void picture_begin(struct screen *screen);
/* The rest of the screen is blank. */
void picture_end(struct screen *screen);
/* How many lines are left. */
int picture_left(const struct screen *screen);

struct line line_begin(struct screen *screen, unsigned under);
/* Adds a clean text. */
void line_put(struct line *line, unsigned look, anqa_str clean);
void line_add_text(struct line *line, unsigned look, const char *text);
/* Adds blanks up to a column. */
void line_to(struct line *line, size_t column);
/* A clean text in a field of so many columns: cut, or with blanks before or behind it. */
void line_cell(struct line *line, unsigned look, anqa_str clean, size_t width, bool to_right);
/* Shows it as the next line of the picture. */
void line_end(struct line *line);

#endif
