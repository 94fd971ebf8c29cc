#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

static char json[16384];
static size_t json_n;
const char *failure;

void fail(const char *why)
{
    if (!failure)
        failure = why;
}

void out(const char *key, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    printf("  %-38s %s\n", key, text);
    int n =
        snprintf(json + json_n, sizeof json - json_n, "%s\"%s\":%s", json_n ? "," : "", key, text);
    if (n > 0 && json_n + (size_t)n < sizeof json)
        json_n += (size_t)n;
}

void out_u(const char *key, uint64_t v)
{
    out(key, "%llu", (unsigned long long)v);
}

void out_text(const char *key, const char *text)
{
    char clean[200];
    size_t n = 0;
    for (; *text && n < sizeof clean - 1; text++)
        clean[n++] = *text == '"' || *text == '\\' || (unsigned char)*text < 32 ? '\'' : *text;
    clean[n] = 0;
    out(key, "\"%s\"", clean);
}

void out_hist(const char *name, size_t at)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[] = {{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p999", .999}, {"max", 1}};
    struct hist *h = zeroed(1, sizeof *h);
    char key[64];
    for (uint32_t i = 0; i < opt.threads; i++)
        hist_merge(h, (const struct hist *)((const char *)&workers[i] + at));
    for (int i = 0; i < 5 && h->n; i++) {
        snprintf(key, sizeof key, "%s_us_%s", name, quantiles[i].name);
        out(key, "%.1f", (double)hist_at(h, quantiles[i].q) / 1e3);
    }
    snprintf(key, sizeof key, "%s_n", name);
    out_u(key, h->n);
    free(h);
}

bool proc_number(const char *path, const char *after, const char *key, uint64_t *v)
{
    static char text[65536];
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    char *p = strstr(text, after);
    if (!p || !(p = strstr(p, key)))
        return false;
    *v = strtoull(p + strlen(key), NULL, 10);
    return true;
}

static uint64_t kib(const char *path, const char *key)
{
    uint64_t v = 0;
    proc_number(path, "", key, &v);
    return v * 1024;
}

/* Slab bytes of /proc inodes. Whoever lists /proc/PID/fd meanwhile leaves one for every socket
 * (and a dentry and a security label, 224 bytes): dirt in the figures. Needs root; 0 without. */
static uint64_t procfs_slab(void)
{
    char line[512];
    unsigned long long objects, size, per_slab, pages, v = 0;
    FILE *f = fopen("/proc/slabinfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "proc_inode_cache %*u %llu %llu %llu %llu", &objects, &size, &per_slab,
                &pages) == 4)
            v = objects / per_slab * pages * (unsigned long long)sysconf(_SC_PAGESIZE) +
                objects * 224;
    if (f)
        fclose(f);
    return v;
}

struct memory read_memory(void)
{
    struct memory m = {0};
    char path[64];
    for (int i = 0; i < opt.n_pids; i++) {
        snprintf(path, sizeof path, "/proc/%d/smaps_rollup", opt.pid[i]);
        uint64_t rss = kib(path, "\nRss:");
        if (!rss)
            fail("cannot read the memory of a server process");
        m.rss += rss;
        m.pss += kib(path, "\nPss:");
    }
    m.own = kib("/proc/self/smaps_rollup", "\nPss:");
    for (uint32_t i = 0; i < opt.threads; i++) {
        snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)workers[i].process);
        m.own += kib(path, "\nPss:");
    }
    proc_number("/proc/net/sockstat", "TCP:", " mem ", &m.tcp);
    m.tcp *= (uint64_t)sysconf(_SC_PAGESIZE);
    m.slab = kib("/proc/meminfo", "\nSlab:");
    m.unreclaim = kib("/proc/meminfo", "\nSUnreclaim:");
    m.procfs = procfs_slab();
    m.unused = kib("/proc/meminfo", "\nMemFree:") + kib("/proc/meminfo", "\nBuffers:") +
               kib("/proc/meminfo", "\nCached:");
    return m;
}

/* CPU seconds of one process, all threads, to the nanosecond. False: it is gone. */
static bool process_cpu(pid_t pid, double *seconds)
{
    clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
    struct timespec t;
    if ((pid && clock_getcpuclockid(pid, &clock)) || clock_gettime(clock, &t))
        return false;
    *seconds = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    return true;
}

static double server_cpu(void)
{
    double sum_s = 0, one = 0;
    for (int i = 0; i < opt.n_pids; i++) {
        if (process_cpu(opt.pid[i], &one))
            sum_s += one;
        else
            fail("cannot read the CPU time of a server process");
    }
    return sum_s;
}

/* CPU seconds of this process and its workers. */
static double own_cpu(void)
{
    double sum_s = 0, one = 0;
    for (uint32_t i = 0; i <= opt.threads; i++)
        if (process_cpu(i < opt.threads ? workers[i].process : 0, &one))
            sum_s += one;
    return sum_s;
}

/* CPU seconds of the whole machine that were not idle, softirq included. */
static double host_cpu(void)
{
    unsigned long long v[8] = {0};
    FILE *f = fopen("/proc/stat", "r");
    if (!f)
        return 0;
    int n = fscanf(
        f, "cpu %llu %llu %llu %llu %llu %llu %llu", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6);
    fclose(f);
    return n < 7 ? 0 : (double)(v[0] + v[1] + v[2] + v[5] + v[6]) / (double)sysconf(_SC_CLK_TCK);
}

struct shot take_shot(void)
{
    return (struct shot){.t = now_ns(),
        .got = sum(C_GOT),
        .sent = sum(C_SENT),
        .cycles = sum(C_CYCLES),
        .failed = sum(C_FAILED),
        .server = server_cpu(),
        .own = own_cpu(),
        .host = host_cpu()};
}

void out_cpu(const struct shot *a, const struct shot *b, uint64_t units, const char *unit)
{
    char key[64];
    double us[2] = {(b->server - a->server) * 1e6, (b->own - a->own) * 1e6};
    for (int i = opt.n_pids ? 0 : 1; i < 2; i++) {
        const char *who = i ? "client" : "server";
        snprintf(key, sizeof key, "%s_cpu_s", who);
        out(key, "%.2f", us[i] / 1e6);
        snprintf(key, sizeof key, "%s_cpu_us_per_%s", who, unit);
        if (units)
            out(key, "%.3f", us[i] / (double)units);
    }
    out("host_cpu_s", "%.2f", b->host - a->host);
    out("client_busy", "%.3f", (b->own - a->own) * 1e9 / (double)(b->t - a->t) / opt.threads);
}

static void out_per_conn(const char *key, uint64_t before, uint64_t after)
{
    out(key, "%.1f", ((double)after - (double)before) / opt.conns);
}

void out_memory(const char *when, const struct memory *a, const struct memory *b)
{
    printf(" memory %s, bytes per connection (kernel: both ends):\n", when);
    char k[64];
#define KEY(name) (snprintf(k, sizeof k, "%s_%s", when, name), k)
    if (opt.n_pids) {
        out_u(KEY("server_rss_bytes"), b->rss);
        out_u(KEY("server_pss_bytes"), b->pss);
        out_per_conn(KEY("server_rss_per_conn"), a->rss, b->rss);
        out_per_conn(KEY("server_pss_per_conn"), a->pss, b->pss);
    }
    out_u(KEY("client_pss_bytes"), b->own);
    out_per_conn(KEY("kernel_slab_per_conn"), a->slab, b->slab);
    out_per_conn(KEY("kernel_slab_less_procfs_per_conn"), a->slab - a->procfs, b->slab - b->procfs);
    out_per_conn(KEY("kernel_sunreclaim_per_conn"), a->unreclaim, b->unreclaim);
    out_per_conn(KEY("kernel_tcp_mem_per_conn"), a->tcp, b->tcp);
    out_per_conn(KEY("machine_used_per_conn"), b->unused, a->unused);
#undef KEY
}

void out_json(void)
{
    printf("{%s}\n", json);
}
