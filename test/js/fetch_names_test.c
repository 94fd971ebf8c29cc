/* How the names are looked up that scripts fetch from. */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "site.h"

/* What everybody in this program calls: names of .slow.test take long and are not there, .name.test is this machine. */
static atomic_uint looked, looking, looking_most;

/* Those of .stuck.test are not answered for until the test says. */
static atomic_uint stuck;
static atomic_bool let_go;
static atomic_uint waits; /* seconds for each server of names, in the last look-up of a slow one */
static atomic_uint
    asked; /* the server of names that the last look-up of one of .asked.test would ask */

int getaddrinfo(const char *restrict name, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict ret_list)
{
    size_t len = name == NULL ? 0 : strlen(name);
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    unsigned now;

    memcpy(&real, &symbol, sizeof real);
    if (len > 10 && strcmp(name + len - 10, ".name.test") == 0) {
        atomic_fetch_add(&looked, 1);
        return real("127.0.0.1", service, hints, ret_list);
    }
    if (len > 11 && strcmp(name + len - 11, ".stuck.test") == 0) {
        atomic_fetch_add(&stuck, 1);
        while (!atomic_load(&let_go))
            usleep(1000);
        atomic_fetch_sub(&stuck, 1);
        return EAI_NONAME;
    }
    if (len > 11 && strcmp(name + len - 11, ".asked.test") == 0) {
        atomic_store(&asked, ntohl(_res.nsaddr_list[0].sin_addr.s_addr));
        return EAI_NONAME;
    }
    if (len <= 10 || strcmp(name + len - 10, ".slow.test") != 0)
        return real(name, service, hints, ret_list);
    now = atomic_fetch_add(&looking, 1) + 1;
    if (now > atomic_load(&looking_most))
        atomic_store(&looking_most, now);
    atomic_store(&waits, (unsigned)(_res.retrans * _res.retry));
    usleep(200000);
    atomic_fetch_sub(&looking, 1);
    return EAI_NONAME;
}

static const anqa_js_script named = ANQA_JS_SCRIPT(.name = "named", .source = site_source,
    .apis = ANQA_JS_FETCH, .hosts = (const char *const[]){"private:*:*", NULL});

TEST(few_names_are_looked_up_at_once_even_when_nobody_waits_for_them)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pids[] = {js_start(&named), js_start(&named), js_start(&named)};

    for (size_t i = 0; i < ANQA_COUNT(pids); i++) {
        CHECK_STR(js_call(pids[i], "lookAndLeave", "[30, 80]"), "30");
        anqa_unlink(pids[i]);
        (void)js_kill(pids[i]);
    }
    CHECK(atomic_load(&looking_most) > 0 && atomic_load(&looking_most) <= 6, "%u look-ups at once",
        atomic_load(&looking_most));
    pids[0] = js_start(&named);
    CHECK(strstr(js_call(pids[0], "get", "[\"http://b.slow.test/\"]"),
              "Could not resolve host: b.slow.test") != NULL);
    for (int i = 0; i < 3; i++) /* who is known is not looked up again */
        CHECK_STR(js_call(pids[0], "get", anqa_tmp_printf("[\"http://My.name.test:%u/\"]", port)),
            "[200,\"hello\"]");
    CHECK_EQ(atomic_load(&looked), 1);
    js_end(rt);
}

TEST(names_that_nobody_answers_for_keep_others_from_no_look_up)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pids[] = {js_start(&named), js_start(&named)}, third = js_start(&named);

    for (size_t i = 0; i < ANQA_COUNT(pids); i++)
        CHECK_STR(js_eval(pids[i],
                      anqa_tmp_printf("for (let i = 0; i < 8; i++) "
                                      "fetch(`http://a%zu${i}.stuck.test/`).catch(() => {}); 1",
                          i)),
            "1");
    for (uint32_t i = 0; i < LONG_MS && atomic_load(&stuck) < 4; i++)
        anqa_sleep(1);
    anqa_sleep(100);                   /* were there more, they would come now */
    CHECK_EQ(atomic_load(&stuck), 4u); /* two of each */
    CHECK_STR(js_call(third, "get", anqa_tmp_printf("[\"http://other.name.test:%u/\"]", port)),
        "[200,\"hello\"]");
    CHECK_EQ(atomic_load(&stuck), 4u);
    atomic_store(&let_go, true);
    js_end(rt);
}

TEST(each_server_of_names_is_waited_for_two_seconds)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&named);

    (void)js_call(pid, "get", "[\"http://b.slow.test/\"]");
    CHECK_EQ(atomic_load(&waits), 2u);
    js_end(rt);
}

/* From now on this process, and no other, sees a file of ours as the one that names servers of names. */
static int own_resolv_conf(void)
{
    char path[] = "/tmp/anqa-resolv-XXXXXX";
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    if ((unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount(path, _PATH_RESCONF, NULL, MS_BIND, NULL) != 0) {
        unlink(path);
        SKIP("what is mounted can not be changed: %s", strerror(errno));
    }
    unlink(path);
    return fd;
}

TEST(a_server_of_names_that_is_configured_later_is_asked)
{
    int fd = own_resolv_conf();
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&named);

    for (unsigned i = 2; i < 10;
        i++) { /* more than there are workers that may have read it before */
        const char *line = anqa_tmp_printf("nameserver 127.0.0.%u\n", i);
        CHECK_EQ(pwrite(fd, line, strlen(line), 0), (ssize_t)strlen(line));
        (void)js_call(pid, "get", anqa_tmp_printf("[\"http://n%u.asked.test/\"]", i));
        CHECK_EQ(atomic_load(&asked), 0x7f000000 + i);
    }
    js_end(rt);
    close(fd);
}
