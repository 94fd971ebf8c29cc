/* Fields that a process has put behind those of its events. See anqa_log_metadata. */
#include <anqa/memory.h>

#include <string.h>

#include "runtime/memory.h"
#include "runtime/sched.h"

#define ROWS 8
#define KEY_MAX 31

struct row {
    char key[KEY_MAX + 1];
    uint16_t len; /* of " key=value" in the text */
};

/* On the process's heap. The rows stand in the text one behind the other, the first without its blank. */
struct log_metadata {
    uint32_t count;
    size_t len;
    struct row rows[ROWS];
    char text[LOG_METADATA_MAX];
};

size_t proc_log_metadata(const struct proc *p, char ret_text[static LOG_METADATA_MAX])
{
    const struct log_metadata *all = p->more == NULL ? NULL : p->more->metadata;

    if (all == NULL || all->len == 0)
        return 0;
    memcpy(ret_text, all->text + 1, all->len - 1);
    return all->len - 1;
}

static bool is_key(const char *key)
{
    size_t len = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");

    return len != 0 && len <= KEY_MAX && key[len] == '\0';
}

static void drop_row(struct log_metadata *all, const char *key)
{
    size_t at = 0;

    for (uint32_t i = 0; i < all->count; at += all->rows[i++].len) {
        struct row *row = &all->rows[i];
        if (strcmp(row->key, key) != 0)
            continue;
        memmove(all->text + at, all->text + at + row->len, all->len - at - row->len);
        all->len -= row->len;
        memmove(row, row + 1, (all->count - i - 1) * sizeof *row);
        all->count--;
        return;
    }
}

static void add_row(struct log_metadata *all, const char *key, anqa_str value)
{
    struct log_out out = {all->text + all->len, 0, sizeof all->text - all->len};
    char escaped[LOG_METADATA_MAX + 1];
    struct log_out trial = {escaped, 0, sizeof escaped};
    struct row *row = &all->rows[all->count];

    log_out_value(&trial, value);
    if (all->count == ROWS || strlen(key) + trial.len + 2 > out.size || trial.len == sizeof escaped)
        return;
    log_out_text(&out, " ");
    log_out_text(&out, key);
    log_out_text(&out, "=");
    log_out_bytes(&out, trial.ptr, trial.len);
    memcpy(row->key, key, strlen(key) + 1);
    row->len = (uint16_t)out.len;
    all->len += out.len;
    all->count++;
}

void anqa_log_metadata(const char *key, anqa_str value)
{
    struct sched *s = sched_self;
    struct proc *p = s == NULL ? NULL : s->current;
    struct log_metadata *all = p == NULL || p->more == NULL ? NULL : p->more->metadata;

    if (p == NULL)
        return;
    ANQA_REQUIRE(is_key(key));
    if (all == NULL) {
        if (value.len == 0)
            return;
        all = anqa_heap_calloc(1, sizeof *all);
        p->more->metadata = all;
    }
    drop_row(all, key);
    if (value.len != 0)
        add_row(all, key, value);
    if (all->count != 0)
        return;
    p->more->metadata = NULL;
    anqa_heap_free(all);
}
