#include "runtime/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <anqa/log.h>

#include "base/container.h"
#include "base/list.h"
#include "runtime/hooks.h"
#include "runtime/net_int.h"

/* The first letter of a key. */
enum { BY_ADDRESS = 'a', BY_NAME = 'n' };

#define SOCKETS_MAX 4096u /* that may be given: more is a mistake in the variable */
#define ENVIRONMENT_SEPARATOR "\n"

struct kept {
    struct anqa_list_node node;
    int fd;
    bool given;        /* by a service manager or a predecessor */
    const void *owner; /* NULL: nobody */
    char key[INHERIT_KEY];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the two below */
static struct anqa_list table = ANQA_LIST_INIT(table);
static bool handed_on;

static _Atomic(bool) closed; /* nothing is accepted yet */
static int ready_fd = -1;    /* to the predecessor; main thread */

/* A fault of the application with the lock held must not be survived. */
static void table_lock(void)
{
    anqa_section_begin();
    pthread_mutex_lock(&lock);
}

static void table_unlock(void)
{
    pthread_mutex_unlock(&lock);
    anqa_section_end();
}

/* ---------------------------------------------------------------- entries */

/* Before it is closed, so that nobody else can have put a socket there. */
static void remove_file(const struct kept *kept)
{
    struct address address = {.len = sizeof address.u};
    struct stat file;

    if (handed_on || kept->key[0] != BY_ADDRESS ||
        getsockname(kept->fd, &address.u.any, &address.len) < 0 ||
        address.u.any.sa_family != AF_UNIX ||
        address.len <= offsetof(struct sockaddr_un, sun_path) || address.u.un.sun_path[0] == '\0')
        return;
    if (lstat(address.u.un.sun_path, &file) == 0 && S_ISSOCK(file.st_mode))
        unlink(address.u.un.sun_path);
}

static void kept_free(struct kept *kept)
{
    anqa_list_remove(&kept->node);
    remove_file(kept);
    close(kept->fd);
    free(kept);
}

static anqa_status kept_add(char kind, const char *text, int fd, bool given, const void *owner)
{
    struct kept *kept;
    size_t len = strlen(text);

    if (len >= sizeof kept->key - 1 || strpbrk(text, ENVIRONMENT_SEPARATOR) != NULL)
        return ANQA_E_INVALID;
    kept = calloc(1, sizeof *kept);
    if (kept == NULL)
        return ANQA_E_NOMEM;
    kept->fd = fd;
    kept->given = given;
    kept->owner = owner;
    kept->key[0] = kind;
    memcpy(kept->key + 1, text, len + 1);
    anqa_list_push(&table, &kept->node);
    return ANQA_OK;
}

static struct kept *kept_of(struct anqa_list_node *node)
{
    return ANQA_CONTAINER_OF(node, struct kept, node);
}

static struct anqa_list_node *table_end(void)
{
    return &table.head;
}

/* ---------------------------------------------------------------- what the environment says */

static const char *variable(const char *name)
{
    return getenv(name); /* NOLINT(concurrency-mt-unsafe): one thread */
}

/* False: it is no number up to `max`. */
static bool number(const char *text, unsigned long max, unsigned long *ret_value)
{
    char *end;

    if (text == NULL || text[0] < '0' || text[0] > '9')
        return false;
    *ret_value = strtoul(text, &end, 10);
    return *end == '\0' && *ret_value <= max;
}

static anqa_status give(char kind, const char *text, int fd, anqa_error *err)
{
    int family;
    anqa_status status = listener_check(fd, &family, err);

    if (status != ANQA_OK)
        return status;
    status = kept_add(kind, text, fd, true, NULL);
    return status == ANQA_OK ? ANQA_OK
                             : anqa_fail(err, status,
                                   "descriptor %d: its name is too long, or "
                                   "there is no memory",
                                   fd);
}

/* The part of *at up to `separator`, which is cut off. "": there is no more. */
static const char *next_part(char **at, char separator)
{
    char *part = *at, *end = strchr(part, separator);

    *at = end == NULL ? part + strlen(part) : end + 1;
    if (end != NULL)
        *end = '\0';
    return part;
}

static anqa_status from_manager(unsigned long count, char *names, anqa_error *err)
{
    anqa_status status = ANQA_OK;

    for (int i = 0; status == ANQA_OK && i < (int)count; i++)
        status = give(BY_NAME, next_part(&names, ':'), INHERIT_FIRST_FD + i, err);
    return status;
}

static anqa_status manager_begin(anqa_error *err)
{
    const char *names = variable("LISTEN_FDNAMES");
    unsigned long pid, count;
    char *copy;
    anqa_status status;

    /* Else it is meant for a process that we come from. */
    if (!number(variable("LISTEN_PID"), INT32_MAX, &pid) || (pid_t)pid != getpid())
        return ANQA_OK;
    if (!number(variable("LISTEN_FDS"), SOCKETS_MAX, &count))
        return anqa_fail(
            err, ANQA_E_INVALID, "LISTEN_FDS in the environment is no number of sockets");
    copy = strdup(names == NULL ? "" : names);
    if (copy == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "no memory for inherited sockets");
    status = from_manager(count, copy, err);
    free(copy);
    return status;
}

static anqa_status from_predecessor(char *lines, anqa_error *err)
{
    anqa_status status = ANQA_OK;

    for (int fd = INHERIT_FIRST_FD + 1; status == ANQA_OK && lines[0] != '\0'; fd++) {
        const char *key = next_part(&lines, ENVIRONMENT_SEPARATOR[0]);
        if (fd > (int)SOCKETS_MAX || (key[0] != BY_ADDRESS && key[0] != BY_NAME))
            return anqa_fail(
                err, ANQA_E_INVALID, INHERIT_VARIABLE " in the environment is no list of sockets");
        status = give(key[0], key + 1, fd, err);
    }
    return status;
}

static anqa_status predecessor_begin(anqa_error *err)
{
    const char *lines = variable(INHERIT_VARIABLE);
    char *copy;
    anqa_status status;

    if (lines == NULL)
        return ANQA_OK;
    if (fcntl(INHERIT_FIRST_FD, F_SETFD, FD_CLOEXEC) < 0)
        return anqa_fail(err, ANQA_E_INVALID,
            INHERIT_VARIABLE " is in the environment, and descriptor %d is not open",
            INHERIT_FIRST_FD);
    copy = strdup(lines);
    if (copy == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "no memory for inherited sockets");
    ready_fd = INHERIT_FIRST_FD;
    atomic_store_explicit(&closed, true, memory_order_relaxed);
    status = from_predecessor(copy, err);
    free(copy);
    return status;
}

anqa_status inherit_begin(anqa_error *err)
{
    static const char *const names[] = {
        "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", INHERIT_VARIABLE};
    anqa_status status = manager_begin(err);

    if (status == ANQA_OK)
        status = predecessor_begin(err);
    for (size_t i = 0; i < ANQA_COUNT(names); i++)
        unsetenv(names[i]); /* NOLINT(concurrency-mt-unsafe): one thread */
    return status;
}

/* ---------------------------------------------------------------- owners */

static bool is_wanted(const struct kept *kept, const char *name, const char *address)
{
    if (kept->owner != NULL)
        return false;
    if (kept->key[0] == BY_NAME)
        return name == NULL || strcmp(kept->key + 1, name) == 0;
    return strcmp(kept->key + 1, address) == 0;
}

static bool same_place(const struct kept *a, const struct kept *b)
{
    struct address x = {.len = sizeof x.u}, y = {.len = sizeof y.u};

    return getsockname(a->fd, &x.u.any, &x.len) == 0 && getsockname(b->fd, &y.u.any, &y.len) == 0 &&
           x.len == y.len && memcmp(&x.u, &y.u, x.len) == 0;
}

/* Two who have asked for port 0 of one address have got different ports: each claims those of one. */
static bool goes_with(const struct kept *first, const struct kept *kept)
{
    return first == NULL || first->key[0] == BY_NAME || kept->key[0] == BY_NAME ||
           same_place(first, kept);
}

size_t inherit_claim(const void *owner, const char *name, const char *address)
{
    const struct kept *first = NULL;
    size_t count = 0;

    table_lock();
    for (struct anqa_list_node *node = table.head.next; node != table_end(); node = node->next) {
        struct kept *kept = kept_of(node);
        if (!is_wanted(kept, name, address) || !goes_with(first, kept))
            continue;
        kept->owner = owner;
        if (first == NULL)
            first = kept;
        count++;
    }
    table_unlock();
    return count;
}

anqa_status inherit_keep(const void *owner, const char *address, int fd)
{
    anqa_status status;

    table_lock();
    status = kept_add(BY_ADDRESS, address, fd, false, owner);
    table_unlock();
    if (status != ANQA_OK)
        close(fd);
    return status;
}

int inherit_dup(const void *owner, size_t i)
{
    int fd = -1;

    errno = EBADF;
    table_lock();
    for (struct anqa_list_node *node = table.head.next; node != table_end(); node = node->next) {
        const struct kept *kept = kept_of(node);
        if (kept->owner != owner || i-- > 0)
            continue;
        fd = fcntl(kept->fd, F_DUPFD_CLOEXEC, 0);
        break;
    }
    table_unlock();
    return fd;
}

/* Calls `fn` for each socket of an owner (NULL: of nobody), which it may free. */
static void of_owner(const void *owner, void (*fn)(struct kept *kept, bool all), bool all)
{
    struct anqa_list_node *next;

    table_lock();
    for (struct anqa_list_node *node = table.head.next; node != table_end(); node = next) {
        struct kept *kept = kept_of(node);
        next = node->next;
        if (kept->owner == owner)
            fn(kept, all);
    }
    table_unlock();
}

static void release(struct kept *kept, bool all)
{
    kept->owner = NULL;
    if (all || !kept->given)
        kept_free(kept);
}

void inherit_release(const void *owner, bool all)
{
    of_owner(owner, release, all);
}

/* ---------------------------------------------------------------- the start is over */

static void close_unclaimed(struct kept *kept, bool all)
{
    anqa_log(ANQA_WARN, "listener.not_wanted", "name=%s next=closed", kept->key + 1);
    kept_free(kept);
}

void inherit_open(void)
{
    of_owner(NULL, close_unclaimed, true);
    atomic_store_explicit(&closed, false, memory_order_release); /* pairs with inherit_is_open */
    if (ready_fd < 0)
        return;
    if (write(ready_fd, "1", 1) != 1)
        anqa_log(ANQA_WARN, "restart.alone", "error=\"the predecessor is gone\" next=\"we serve\"");
    close(ready_fd);
    ready_fd = -1;
}

bool inherit_is_open(void)
{
    return !atomic_load_explicit(&closed, memory_order_acquire); /* pairs with inherit_open */
}

/* ---------------------------------------------------------------- handing on */

void inherit_list_free(struct inherit_socket *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(list[i].fd);
    free(list);
}

/* Above the numbers that they will have in a successor. */
static anqa_status list_fill(struct inherit_socket *list, size_t count, size_t *ret_count)
{
    for (struct anqa_list_node *node = table.head.next; node != table_end(); node = node->next) {
        const struct kept *kept = kept_of(node);
        list[*ret_count].fd = fcntl(kept->fd, F_DUPFD_CLOEXEC, INHERIT_FIRST_FD + 1 + (int)count);
        if (list[*ret_count].fd < 0)
            return ANQA_E_LIMIT;
        memcpy(list[(*ret_count)++].key, kept->key, sizeof kept->key);
    }
    return ANQA_OK;
}

anqa_status inherit_list(struct inherit_socket **ret_list, size_t *ret_count)
{
    struct inherit_socket *list;
    size_t count = 0, done = 0;
    anqa_status status;

    table_lock();
    for (struct anqa_list_node *node = table.head.next; node != table_end(); node = node->next)
        count++;
    list = calloc(count + 1, sizeof *list);
    status = list == NULL ? ANQA_E_NOMEM : list_fill(list, count, &done);
    table_unlock();
    if (status != ANQA_OK) {
        inherit_list_free(list, done);
        return status;
    }
    *ret_list = list;
    *ret_count = count;
    return ANQA_OK;
}

void inherit_handed_on(void)
{
    table_lock();
    handed_on = true;
    table_unlock();
}
