#include "servers.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONNECTIONS 1024

static bool is_nginx(void)
{
    return stage_is("nginx");
}

static const char *app(void)
{
    const char *named = stage_setting("BENCH_APP");

    return named != NULL ? named : stage_beside("../examples/example_bench_app");
}

/* ---------------------------------------------------------------- the folder */

static bool make_file(const struct server *server, const char *name, size_t size)
{
    char bytes[SERVERS_FILE_BYTES], path[128];
    int fd = -1;
    bool written;

    snprintf(path, sizeof(path), "%s/%s", server->folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    memset(bytes, 'x', size);
    written = write(fd, bytes, size) == (ssize_t)size;
    return close(fd) == 0 && written;
}

/** Others may read it: started by root, nginx's worker is "nobody". */
static bool make_folder(struct server *server)
{
    char path[128];

    snprintf(server->folder, sizeof(server->folder), "/tmp/anqa-bench-XXXXXX");
    if (mkdtemp(server->folder) == NULL) {
        server->folder[0] = '\0';
        return false;
    }
    snprintf(path, sizeof(path), "%s/files", server->folder);
    if (chmod(server->folder, 0755) < 0 || mkdir(path, 0755) < 0)
        return false;
    return make_file(server, "files/16k", SERVERS_FILE_BYTES) && make_file(server, "text", 5);
}

static bool run(const struct server *server, char *const argv[])
{
    struct child child;
    bool started = child_launch(&child, argv, &server->cpus);

    while (started && child_line(&child, bench_now_ns() + STAGE_START_S * UINT64_C(1000000000)))
        ;
    child_close(&child);
    return started;
}

/** A certificate and its key, with which the port is one for TLS. */
static bool make_certificate(const struct server *server)
{
    char program[] = "/usr/bin/openssl", key[128], cert[128];
    char *make_key[] = {program, (char *)"genpkey", (char *)"-algorithm", (char *)"EC",
        (char *)"-pkeyopt", (char *)"ec_paramgen_curve:P-256", (char *)"-out", key, NULL};
    char *make_cert[] = {program, (char *)"req", (char *)"-x509", (char *)"-key", key,
        (char *)"-subj", (char *)"/CN=localhost", (char *)"-out", cert, NULL};

    snprintf(key, sizeof(key), "%s/key.pem", server->folder);
    snprintf(cert, sizeof(cert), "%s/cert.pem", server->folder);
    return stage_has_program(program, "apt-get install openssl") && run(server, make_key) &&
           run(server, make_cert) && access(cert, R_OK) == 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)remove(path);
    return 0;
}

/* ---------------------------------------------------------------- the server */

static bool start_app(struct server *server)
{
    char threads[16], files[128], key[128], cert[128];
    char *argv[] = {(char *)app(), NULL};

    snprintf(threads, sizeof(threads), "%u", server->threads);
    snprintf(files, sizeof(files), "%s/files", server->folder);
    /* NOLINTBEGIN(concurrency-mt-unsafe): a side has one thread */
    setenv("PORT", "0", 1);
    setenv("ANQA_RUNTIME_SCHEDULERS", threads, 1);
    setenv("BENCH_FILES", files, 1);
    if (server->tls) {
        snprintf(key, sizeof(key), "%s/key.pem", server->folder);
        snprintf(cert, sizeof(cert), "%s/cert.pem", server->folder);
        setenv("HTTPS_PORT", "0", 1);
        setenv("TLS_KEYFILE", key, 1);
        setenv("TLS_CERTFILE", cert, 1);
    }
    /* NOLINTEND(concurrency-mt-unsafe) */
    return child_launch(&server->child, argv, &server->cpus) &&
           stage_wait_listening(&server->child, server->tls ? "https" : "http", server->port);
}

static bool start_peer(struct server *server)
{
    return server->nghttpd ? nghttpd_start(server) : nginx_start(server);
}

bool server_open(struct server *server, unsigned threads, bool tls, bool nghttpd)
{
    const char *program = !is_nginx() ? app() : nghttpd ? nghttpd_program : nginx_program;

    *server = (struct server){.threads = threads,
        .tls = tls,
        .nghttpd = nghttpd,
        .child = {.pidfd = -1, .to = -1, .from = -1}};
    if (!stage_has_program(
            program, "it is nginx or nghttp2-server of Debian, or examples/bench_app") ||
        !stage_have_files(CONNECTIONS) || !stage_split(&server->cpus, &server->load_cpus))
        return false;
    if (!make_folder(server)) {
        fprintf(stderr, "bench: cannot write to /tmp: %m\n");
        return false;
    }
    if (tls && !make_certificate(server)) {
        fprintf(stderr, "bench: there is no certificate\n");
        return false;
    }
    if (is_nginx() ? !start_peer(server) : !start_app(server)) {
        fprintf(stderr, "bench: %s did not listen within %d s\n", program, STAGE_START_S);
        return false;
    }
    server->pid_count = stage_family(server->child.pid, server->pids, SERVERS_FAMILY);
    return true;
}

void server_close(struct server *server)
{
    child_end(&server->child);
    if (server->folder[0] != '\0')
        (void)nftw(server->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
