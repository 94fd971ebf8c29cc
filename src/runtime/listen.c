#include <anqa/net.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/container.h"
#include "runtime/net_int.h"

#define DEFAULT_BACKLOG 4096
#define UNSENT_MAX (128 << 10)
#define PAUSE_MS 100u    /* after a failure that would come again at once */
#define ERRORS_MAX 64    /* of peers, in one call */
#define FOLDER_TRIES 100 /* of 10 ms, for another server that starts in the same folder */

struct listener {
    struct fd_extra extra;
    int spare; /* a descriptor to give up when there is no other, see shed; -1: it could not be had back */
    bool is_file; /* a Unix socket in the file system: the two below name it */
    dev_t device;
    ino_t inode;
    char *renamed; /* the file's name, where that is not the socket's */
};

/* ---------------------------------------------------------------- the file of a Unix socket */

static bool is_ours(const struct listener *listener, const char *path)
{
    struct stat now;

    return lstat(path, &now) == 0 && now.st_dev == listener->device &&
           now.st_ino == listener->inode;
}

static void listener_drop(struct fd_extra *extra, int fd)
{
    struct listener *listener = ANQA_CONTAINER_OF(extra, struct listener, extra);
    struct address address = {.len = sizeof address.u};
    const char *path = listener->renamed;

    if (path == NULL && listener->is_file && getsockname(fd, &address.u.any, &address.len) == 0)
        path = address.u.un.sun_path;
    /* A successor may have put its own socket there. */
    if (listener->is_file && path != NULL && is_ours(listener, path))
        unlink(path);
    free(listener->renamed);
    if (listener->spare >= 0)
        close(listener->spare);
    free(listener);
}

/* The folder, locked against other servers that start; -1 and errno, EAGAIN: another one has it. */
static int folder_lock(const char *path)
{
    char folder[sizeof((struct sockaddr_un *)0)->sun_path];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    int fd;

    memcpy(folder, path, len);
    if (len == 0)
        folder[len++] = '.';
    folder[len] = '\0';
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int errnum = errno == EWOULDBLOCK ? EAGAIN : errno;
    close(fd);
    errno = errnum;
    return -1;
}

/* Does anybody listen there? */
static bool is_stale(const struct address *address)
{
    int fd = net_socket(address);
    bool stale;

    if (fd < 0)
        return false;
    stale = connect(fd, &address->u.any, address->len) < 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static anqa_status file_make_room(const struct address *address, anqa_error *err)
{
    const char *path = address->u.un.sun_path;
    struct stat now;

    if (lstat(path, &now) < 0)
        return ANQA_OK; /* bind will say what is wrong, if anything */
    if (!S_ISSOCK(now.st_mode))
        return anqa_fail(err, ANQA_E_EXISTS,
            "cannot listen on unix:%s: a file that is no socket is in the way", path);
    if (!is_stale(address))
        return anqa_fail(
            err, ANQA_E_IN_USE, "cannot listen on unix:%s: address already in use", path);
    if (unlink(path) < 0)
        return anqa_fail_errno(err, errno, "cannot replace the dead socket unix:%s", path);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- listening */

/* A listener in the making: everything is undone by one function, whatever point it has come to. There is
 * no wait while it lives. */
struct setup {
    const anqa_listen_spec *spec;
    const struct address *address;
    bool any;
    int fd, folder;
    struct listener *listener;
};

static void setup_undo(struct setup *setup)
{
    if (setup->folder >= 0)
        close(setup->folder);
    if (setup->listener != NULL)
        listener_drop(&setup->listener->extra, setup->fd);
    if (setup->fd >= 0)
        close(setup->fd);
}

static bool flag_set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/* What accepted connections inherit, so that it costs none of them a system call: Nagle's delay is off, and the kernel keeps so
 * much that is not sent yet. Else it would take some megabytes for a peer that reads nothing, and a few hundred of those
 * use up what all TCP of the machine may have. */
static bool inherited_options(int fd)
{
    return flag_set(fd, IPPROTO_TCP, TCP_NODELAY, 1) &&
           flag_set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_MAX);
}

static bool ip_options(const struct setup *setup)
{
    return flag_set(setup->fd, SOL_SOCKET, SO_REUSEADDR, 1) && inherited_options(setup->fd) &&
           (!setup->spec->join || flag_set(setup->fd, SOL_SOCKET, SO_REUSEPORT, 1)) &&
           (setup->address->u.any.sa_family != AF_INET6 ||
               flag_set(setup->fd, IPPROTO_IPV6, IPV6_V6ONLY, !setup->any));
}

/* SO_REUSEPORT comes after listen, which has been exclusive then: a second server that does not join fails, also when
 * both start at the same moment. (Tried: sockets that join later are found and share the load.) */
static anqa_status ip_bind(struct setup *setup, int backlog, anqa_error *err)
{
    const struct address *address = setup->address;

    if (!ip_options(setup))
        return anqa_fail_errno(err, errno, "cannot listen on %s", setup->spec->address);
    if (bind(setup->fd, &address->u.any, address->len) < 0 || listen(setup->fd, backlog) < 0 ||
        (setup->spec->shared && !flag_set(setup->fd, SOL_SOCKET, SO_REUSEPORT, 1)))
        return anqa_fail_errno(err, errno, "cannot listen on %s", setup->spec->address);
    return ANQA_OK;
}

static anqa_status file_bind(struct setup *setup, mode_t mode, anqa_error *err)
{
    const struct address *address = setup->address;
    struct listener *listener = setup->listener;
    anqa_status status = file_make_room(address, err);
    struct stat made;

    if (status != ANQA_OK)
        return status;
    /* The mode of the socket limits that of its file from the first moment; umask may take more away, chmod
     * puts it back. */
    if (fchmod(setup->fd, mode) < 0 || bind(setup->fd, &address->u.any, address->len) < 0)
        return anqa_fail_errno(err, errno, "cannot listen on %s", setup->spec->address);
    if (lstat(address->u.un.sun_path, &made) == 0) {
        listener->is_file = true;
        listener->device = made.st_dev;
        listener->inode = made.st_ino;
    }
    if (chmod(address->u.un.sun_path, mode) < 0)
        return anqa_fail_errno(
            err, errno, "cannot set the permissions of %s", setup->spec->address);
    return ANQA_OK;
}

static anqa_status unix_bind(struct setup *setup, int backlog, anqa_error *err)
{
    const struct address *address = setup->address;
    uint32_t mode = setup->spec->unix_mode;

    if (address->u.un.sun_path[0] != '\0') {
        anqa_status status = file_bind(setup, mode == 0 ? 0600 : mode, err);
        if (status != ANQA_OK)
            return status;
    } else if (bind(setup->fd, &address->u.any, address->len) < 0) {
        return anqa_fail_errno(err, errno, "cannot listen on %s", setup->spec->address);
    }
    if (listen(setup->fd, backlog) < 0)
        return anqa_fail_errno(err, errno, "cannot listen on %s", setup->spec->address);
    return ANQA_OK;
}

static struct listener *listener_new(void)
{
    struct listener *listener;

    anqa_section_begin();
    listener = calloc(1, sizeof *listener);
    anqa_section_end();
    if (listener == NULL)
        return NULL;
    listener->extra.drop = listener_drop;
    listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return listener;
}

static anqa_status setup_run(struct setup *setup, struct fd_entry **ret_entry, anqa_error *err)
{
    int backlog = setup->spec->backlog == 0          ? DEFAULT_BACKLOG
                  : setup->spec->backlog > INT32_MAX ? INT32_MAX
                                                     : (int)setup->spec->backlog;
    bool is_unix = setup->address->u.any.sa_family == AF_UNIX;
    anqa_status status;

    setup->fd = net_socket(setup->address);
    if (setup->fd < 0)
        return fd_fail(err, errno, "cannot make a socket to listen");
    setup->listener = listener_new();
    if (setup->listener == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "a listener on %s", setup->spec->address);
    if (setup->listener->spare < 0)
        return fd_fail(err, errno, "a listener needs a descriptor in reserve");
    status = is_unix ? unix_bind(setup, backlog, err) : ip_bind(setup, backlog, err);
    if (status != ANQA_OK)
        return status;
    status = fd_open(setup->fd, FD_LISTENER, ret_entry);
    if (status != ANQA_OK)
        return anqa_fail(
            err, status, "cannot listen on %s: %s", setup->spec->address, anqa_status_text(status));
    (*ret_entry)->is_unix = is_unix;
    (*ret_entry)->extra = &setup->listener->extra;
    setup->listener = NULL; /* handed over */
    setup->fd = -1;
    return ANQA_OK;
}

/* The lock of the folder is tried, never waited for, because a process that waits may be killed. `address` is for people. */
static anqa_status folder_lock_wait(
    const char *path, const char *address, int *ret_folder, anqa_error *err)
{
    for (int i = 0; i < FOLDER_TRIES; i++) {
        int folder = folder_lock(path);
        if (folder >= 0) {
            *ret_folder = folder;
            return ANQA_OK;
        }
        if (errno != EAGAIN)
            return anqa_fail_errno(err, errno, "cannot open the folder of %s", address);
        anqa_sleep(10);
    }
    return anqa_fail(err, ANQA_E_IN_USE, "the folder of %s is locked by another program", address);
}

static anqa_status listen_on(const anqa_listen_spec *spec, const struct address *address, bool any,
    anqa_listener *ret_listener, anqa_error *err)
{
    struct setup setup = {.spec = spec, .address = address, .any = any, .fd = -1, .folder = -1};
    struct fd_entry *entry = NULL;
    anqa_status status = ANQA_OK;

    if (address->u.any.sa_family == AF_UNIX && address->u.un.sun_path[0] != '\0')
        status = folder_lock_wait(address->u.un.sun_path, spec->address, &setup.folder, err);
    if (status == ANQA_OK)
        status = setup_run(&setup, &entry, err);
    setup_undo(&setup);
    if (entry != NULL)
        ret_listener->bits = fd_handle(entry);
    return status;
}

static anqa_status spec_check(
    const anqa_listen_spec *spec, const struct address_text *parsed, anqa_error *err)
{
    bool is_unix = parsed->kind == ADDRESS_READY && parsed->address.u.any.sa_family == AF_UNIX;

    if (is_unix && (spec->shared || spec->join))
        return anqa_fail(err, ANQA_E_INVALID,
            "cannot listen on %s: a Unix socket can not be shared", spec->address);
    if (!is_unix && spec->unix_mode != 0)
        return anqa_fail(err, ANQA_E_INVALID, "cannot listen on %s: unix_mode is for Unix sockets",
            spec->address);
    if (spec->unix_mode > 0777)
        return anqa_fail(err, ANQA_E_INVALID,
            "cannot listen on %s: unix_mode %#o has more than permissions", spec->address,
            spec->unix_mode);
    return ANQA_OK;
}

anqa_status anqa_listen(const anqa_listen_spec *spec, anqa_listener *ret_listener, anqa_error *err)
{
    struct address_text parsed;
    struct address address;
    size_t count;
    anqa_error no_ip6;
    anqa_status status = address_parse(spec->address, &parsed, err);

    if (status == ANQA_OK)
        status = spec_check(spec, &parsed, err);
    if (status == ANQA_OK)
        status = address_resolve(&parsed, &address, 1, &count, err);
    if (status != ANQA_OK)
        return status;
    if (parsed.kind != ADDRESS_ANY)
        return listen_on(spec, &address, false, ret_listener, err);
    status = listen_on(spec, &address, true, ret_listener, &no_ip6);
    if (status == ANQA_OK)
        return ANQA_OK;
    if (no_ip6.errnum == EAFNOSUPPORT || no_ip6.errnum == EADDRNOTAVAIL) {
        address_from_ip4(&address, &(struct in_addr){INADDR_ANY}, parsed.port);
        return listen_on(spec, &address, false, ret_listener, err);
    }
    if (err != NULL)
        *err = no_ip6;
    return status;
}

anqa_status anqa_listener_close(anqa_listener listener)
{
    anqa_status why;
    struct fd_entry *entry = fd_get(listener.bits, FD_LISTENER, &why);

    if (entry == NULL)
        return why;
    fd_close(entry);
    return ANQA_OK;
}

/* The folder is locked: who looks whether a socket is dead, to replace it, must not see the old one and remove the new. */
static anqa_status file_rename(struct listener *listener, int fd, const char *path, anqa_error *err)
{
    struct address address = {.len = sizeof address.u};
    char *copy;

    if (getsockname(fd, &address.u.any, &address.len) < 0)
        return anqa_fail_errno(err, errno, "the name of the socket that is to be %s", path);
    anqa_section_begin();
    copy = strdup(path);
    anqa_section_end();
    if (copy == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "no memory for the name %s", path);
    if (rename(listener->renamed == NULL ? address.u.un.sun_path : listener->renamed, path) < 0) {
        int errnum = errno;
        anqa_section_begin();
        free(copy);
        anqa_section_end();
        return anqa_fail_errno(err, errnum, "cannot put a socket at %s", path);
    }
    anqa_section_begin();
    free(listener->renamed);
    anqa_section_end();
    listener->renamed = copy;
    return ANQA_OK;
}

anqa_status listener_rename(anqa_listener handle, const char *path, anqa_error *err)
{
    struct listener *listener;
    struct fd_entry *entry;
    anqa_status status;
    int folder = -1;

    status = folder_lock_wait(path, path, &folder, err);
    if (status != ANQA_OK)
        return status;
    entry = fd_get(handle.bits, FD_LISTENER, &status);
    listener = entry == NULL ? NULL : ANQA_CONTAINER_OF(entry->extra, struct listener, extra);
    if (listener == NULL)
        (void)anqa_fail(err, status, "the listener that is to be %s is closed", path);
    else if (!listener->is_file)
        status = anqa_fail(err, ANQA_E_INVALID, "%s: the listener has no file", path);
    else
        status = file_rename(listener, entry->fd, path, err);
    close(folder);
    return status;
}

/* ---------------------------------------------------------------- sockets from elsewhere */

static bool is_listening(int fd)
{
    int type = 0, listens = 0;
    socklen_t size = sizeof type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM)
        return false;
    size = sizeof listens;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0;
}

anqa_status listener_check(int fd, int *ret_family, anqa_error *err)
{
    socklen_t size = sizeof *ret_family;
    int flags = fcntl(fd, F_GETFL);

    if (!is_listening(fd))
        return anqa_fail(err, ANQA_E_INVALID, "descriptor %d is no socket that listens", fd);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, ret_family, &size) < 0 || flags < 0 ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return anqa_fail_errno(err, errno, "descriptor %d", fd);
    if (*ret_family != AF_UNIX && !inherited_options(fd))
        return anqa_fail_errno(err, errno, "descriptor %d", fd);
    return ANQA_OK;
}

anqa_status anqa_listener_adopt(int fd, anqa_listener *ret_listener, anqa_error *err)
{
    struct listener *listener;
    struct fd_entry *entry;
    int family = 0;
    anqa_status status = listener_check(fd, &family, err);

    if (status != ANQA_OK)
        return status;
    listener = listener_new();
    if (listener == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "a listener for descriptor %d", fd);
    status = fd_open(fd, FD_LISTENER, &entry);
    if (status != ANQA_OK) {
        listener_drop(&listener->extra, fd);
        return anqa_fail(err, status, "descriptor %d can not become a listener", fd);
    }
    entry->is_unix = family == AF_UNIX;
    entry->extra = &listener->extra;
    ret_listener->bits = fd_handle(entry);
    return ANQA_OK;
}

int listener_take_fd(anqa_listener handle)
{
    anqa_status why;
    struct fd_entry *entry = fd_get(handle.bits, FD_LISTENER, &why);
    struct listener *listener;
    int fd;

    if (entry == NULL)
        return -1;
    fd = fcntl(entry->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    listener = ANQA_CONTAINER_OF(entry->extra, struct listener, extra);
    listener->is_file = false; /* NOLINT(clang-analyzer-core.NullDereference): each has one */
    fd_close(entry);
    return fd;
}

/* ---------------------------------------------------------------- accepting */

static int accept_raw(const struct fd_entry *entry)
{
    return accept4(entry->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static int spare_open(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* No descriptor is left for the connection that waits first. It gets the spare one and is reset, so that its peer knows
 * at once; left in the queue it would make every accept fail the same way.
 * Returns 0, or why there was none to shed: EAGAIN (none waits: the kernel looks for a descriptor before it looks for a
 * connection), or another error. */
static int shed(struct fd_entry *entry)
{
    struct listener *listener = ANQA_CONTAINER_OF(entry->extra, struct listener, extra);
    int fd, errnum;

    if (listener->spare < 0) {
        listener->spare = spare_open();
        return EMFILE;
    }
    close(listener->spare);
    fd = accept_raw(entry);
    errnum = fd < 0 ? errno : 0;
    if (fd >= 0) {
        net_linger_off(fd);
        close(fd);
    }
    listener->spare = spare_open();
    return errnum;
}

/* What stands between us and the peer failed before the connection was accepted: it is the next one's turn. */
static bool is_peers_error(int errnum)
{
    switch (errnum) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case EPERM:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET: return true;
    default: return false;
    }
}

/* Of an error that would come again at once. */
static void accept_pause(struct patience *patience)
{
    uint32_t left = patience_left(patience);

    if (left > 0)
        anqa_sleep(left < PAUSE_MS ? left : PAUSE_MS);
}

static anqa_status accept_failed(
    int errnum, bool paused, struct patience *patience, anqa_error *err)
{
    switch (errnum) {
    case EMFILE:
    case ENFILE:
        if (paused)
            accept_pause(patience);
        return fd_fail(err, errnum, "cannot accept a connection");
    case ENOBUFS:
    case ENOMEM:
        accept_pause(patience);
        return anqa_fail(
            err, ANQA_E_NOMEM, "cannot accept: the system has no memory for a connection");
    default: return anqa_fail_errno(err, errnum, "cannot accept");
    }
}

static anqa_status accept_wait(
    struct fd_entry *entry, struct patience *patience, int *ret_fd, anqa_error *err)
{
    for (int errors = 0;;) {
        int fd = accept_raw(entry), errnum = errno, shed_errnum = 0;
        anqa_status status;

        if (fd >= 0) {
            *ret_fd = fd;
            return ANQA_OK;
        }
        if (is_peers_error(errnum) && ++errors < ERRORS_MAX)
            continue;
        if (errnum == EMFILE || errnum == ENFILE)
            shed_errnum = shed(entry);
        if (errnum != EAGAIN && shed_errnum != EAGAIN)
            return accept_failed(errnum, shed_errnum != 0, patience, err);
        status = patience_wait(patience, entry, FD_IN);
        if (status != ANQA_OK)
            return anqa_fail(
                err, status, "no connection was accepted: %s", anqa_status_text(status));
    }
}

anqa_status anqa_accept(
    anqa_listener listener, uint32_t timeout_ms, anqa_tcp *ret_tcp, anqa_error *err)
{
    struct patience patience = patience_of(timeout_ms);
    anqa_status status;
    struct fd_entry *entry = fd_get(listener.bits, FD_LISTENER, &status), *conn;
    int fd = -1;

    if (entry == NULL)
        return anqa_fail(err, status, "not a listener of this process");
    if (timeout_ms != 0)
        fd_pace(entry);
    status = accept_wait(entry, &patience, &fd, err);
    if (status != ANQA_OK)
        return status;
    status =
        net_open(fd, FD_CONN, entry->is_unix, "cannot keep an accepted connection", &conn, err);
    if (status == ANQA_OK)
        ret_tcp->bits = fd_handle(conn);
    return status;
}
