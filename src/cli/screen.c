#include "cli/screen.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/utf8.h"

/* Alternate screen, no cursor, no wrapping at the right edge. */
static const char enter[] = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
static const char leave[] = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

/* What is to be restored; kept here for exit and for signal handlers. One screen at a time. */
static struct termios saved;
static volatile sig_atomic_t is_taken;

/* ---------------------------------------------------------------- taking and giving back */

static void write_all(const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDOUT_FILENO, bytes, len);
        if (n < 0 && errno != EINTR)
            return; /* the terminal is gone, which its input will say as well */
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

/* Async-signal-safe. */
static void restore(void)
{
    if (!is_taken)
        return;
    is_taken = 0;
    write_all(leave, sizeof leave - 1);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
}

static void on_fatal_signal(int number)
{
    restore();
    raise(number); /* which has its default again */
}

static void take(void)
{
    struct termios raw = saved;

    raw.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INLCR | IGNCR | INPCK | ISTRIP | IXON);
    raw.c_oflag &= ~(tcflag_t)OPOST;
    raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    is_taken = 1;
    write_all(enter, sizeof enter - 1);
}

bool screen_open(struct screen *screen, struct cli *cli)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGQUIT};
    struct sigaction action = {
        .sa_handler = on_fatal_signal, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
    static bool is_known;

    if (isatty(STDOUT_FILENO) != 1 || tcgetattr(STDIN_FILENO, &saved) < 0)
        return false;
    *screen = (struct screen){.cli = cli};
    screen->out = open_memstream(&screen->bytes, &screen->len);
    if (screen->out == NULL)
        return false;
    for (size_t i = 0; i < ANQA_COUNT(fatal); i++)
        (void)sigaction(fatal[i], &action, NULL);
    if (!is_known)
        is_known = atexit(restore) == 0;
    take();
    screen_measure(screen);
    return true;
}

static void forget(struct screen *screen)
{
    for (int i = 0; i < screen->shown_rows; i++)
        free(screen->shown[i]);
    free(screen->shown);
    screen->shown = NULL;
    screen->shown_rows = 0;
}

void screen_close(struct screen *screen)
{
    restore();
    forget(screen);
    fclose(screen->out);
    free(screen->bytes);
}

void screen_suspend(void)
{
    restore();
}

void screen_resume(struct screen *screen)
{
    take();
    screen_measure(screen);
}

void screen_measure(struct screen *screen)
{
    struct winsize size = {0};

    forget(screen);
    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    screen->rows = size.ws_row == 0 ? 24 : size.ws_row;
    screen->columns = size.ws_col == 0 ? 80 : size.ws_col;
    screen->shown = calloc((size_t)screen->rows, sizeof *screen->shown);
    screen->shown_rows = screen->shown == NULL ? 0 : screen->rows;
    write_all("\x1b[2J", 4);
}

/* ---------------------------------------------------------------- keys */

bool screen_read(struct screen *screen)
{
    ssize_t n = read(
        STDIN_FILENO, screen->keys + screen->key_count, sizeof screen->keys - screen->key_count);

    if (n > 0)
        screen->key_count += (size_t)n;
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

static int taken(struct screen *screen, size_t count, int key)
{
    screen->key_count -= count;
    memmove(screen->keys, screen->keys + count, screen->key_count);
    return key;
}

/* The keys that a sequence ends in: ESC [ A, or ESC [ 5 ~. */
static int sequence_key(unsigned char last, unsigned number)
{
    static const int tilde[] = {[1] = KEY_HOME,
        [4] = KEY_END,
        [5] = KEY_PAGE_UP,
        [6] = KEY_PAGE_DOWN,
        [7] = KEY_HOME,
        [8] = KEY_END};

    switch (last) {
    case 'A': return KEY_UP;
    case 'B': return KEY_DOWN;
    case 'C': return KEY_RIGHT;
    case 'D': return KEY_LEFT;
    case 'H': return KEY_HOME;
    case 'F': return KEY_END;
    case '~': return number < ANQA_COUNT(tilde) && tilde[number] != 0 ? tilde[number] : KEY_NONE;
    default: return KEY_NONE;
    }
}

/* ESC, '[' or 'O', parameters, a last byte. One that means nothing to us is skipped, and the next key looked for. */
static int sequence(struct screen *screen, bool all)
{
    unsigned number = 0;

    for (size_t i = 2; i < screen->key_count; i++) {
        unsigned char c = screen->keys[i];
        if (c >= '0' && c <= '9' && number < 100)
            number = number * 10 + (c - '0');
        if (c < 0x40 || c > 0x7e)
            continue;
        int key = taken(screen, i + 1, sequence_key(c, number));
        return key == KEY_NONE ? screen_key(screen, all) : key;
    }
    if (all || screen->key_count == sizeof screen->keys)
        screen->key_count = 0; /* a sequence that does not end */
    return KEY_NONE;
}

int screen_key(struct screen *screen, bool all)
{
    const unsigned char *keys = screen->keys;
    size_t len;

    if (screen->key_count == 0)
        return KEY_NONE;
    if (keys[0] == KEY_ESCAPE && screen->key_count == 1)
        return all ? taken(screen, 1, KEY_ESCAPE) : KEY_NONE;
    if (keys[0] == KEY_ESCAPE && (keys[1] == '[' || keys[1] == 'O'))
        return sequence(screen, all);
    len = utf8_char_len((const char *)keys, (const char *)keys + screen->key_count);
    if (len > 1)
        return taken(screen, len, KEY_NONE); /* no key is outside of ASCII */
    return taken(screen, 1,
        keys[0] == '\n'   ? KEY_ENTER
        : keys[0] == '\b' ? KEY_BACKSPACE
                          : keys[0]);
}

/* ---------------------------------------------------------------- pictures */

void picture_begin(struct screen *screen)
{
    screen->row = 0;
    anqa_arena_reset(&screen->cli->arena);
}

int picture_left(const struct screen *screen)
{
    return screen->rows - screen->row;
}

/* A line that cannot be remembered is written again the next time. At the right edge the cursor stands on the last
 * character, which erasing the rest of the line would take away. */
static void show(struct screen *screen, const char *text, size_t width)
{
    int row = screen->row++;

    if (row >= screen->shown_rows)
        return;
    if (screen->shown[row] != NULL && strcmp(screen->shown[row], text) == 0)
        return;
    free(screen->shown[row]);
    screen->shown[row] = strdup(text);
    fprintf(screen->out, "\x1b[%d;1H%s\x1b[0m%s", row + 1, text,
        width < (size_t)screen->columns ? "\x1b[K" : "");
}

void picture_end(struct screen *screen)
{
    while (screen->row < screen->rows)
        show(screen, "", 0);
    fflush(screen->out);
    write_all(screen->bytes, screen->len);
    if (fseek(screen->out, 0, SEEK_SET) != 0)
        screen->len = 0;
}

struct line line_begin(struct screen *screen, unsigned under)
{
    return (struct line){.screen = screen, .under = under};
}

static void add(struct line *line, const char *bytes, size_t len)
{
    size_t cap = (line->len + len + 1) * 2;
    char *grown;

    if (line->len + len >= line->cap) {
        grown = anqa_arena_alloc(&line->screen->cli->arena, cap);
        if (line->len > 0)
            memcpy(grown, line->bytes, line->len);
        line->bytes = grown;
        line->cap = cap;
    }
    memcpy(line->bytes + line->len, bytes, len);
    line->len += len;
    line->bytes[line->len] = '\0';
}

static void add_look(struct line *line, unsigned look)
{
    char code[LOOK_CODE_MAX];

    look |= line->under;
    look_code(line->screen->cli->colour ? look : look & ~LOOK_COLOURS, code);
    add(line, code, strlen(code));
}

void line_put(struct line *line, unsigned look, anqa_str clean)
{
    size_t room = (size_t)line->screen->columns - line->width;

    if (clean.len == 0 || room == 0)
        return;
    clean = text_cut(line->screen->cli, clean, room);
    add_look(line, look);
    add(line, clean.ptr, clean.len);
    line->width += text_width(clean);
}

void line_add_text(struct line *line, unsigned look, const char *text)
{
    line_put(line, look, anqa_str_of(text));
}

void line_to(struct line *line, size_t column)
{
    if (column > (size_t)line->screen->columns)
        column = (size_t)line->screen->columns;
    if (line->width >= column)
        return;
    add_look(line, LOOK_PLAIN);
    for (; line->width < column; line->width++)
        add(line, " ", 1);
}

void line_cell(struct line *line, unsigned look, anqa_str clean, size_t width, bool to_right)
{
    anqa_str cut = text_cut(line->screen->cli, clean, width);
    size_t begin = line->width;

    if (to_right)
        line_to(line, begin + width - text_width(cut));
    line_put(line, look, cut);
    line_to(line, begin + width);
}

void line_end(struct line *line)
{
    if (line->under != 0)
        line_to(line, (size_t)line->screen->columns);
    add(line, "", 0);
    show(line->screen, line->bytes, line->width);
}
