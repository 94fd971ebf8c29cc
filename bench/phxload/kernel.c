#include "kernel.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "client.h"
#include "report.h"

static uint64_t limit_file(const char *path)
{
    uint64_t v = UINT64_MAX;
    proc_number(path, "", "", &v);
    return v;
}

uint64_t raise_files(uint64_t need)
{
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    if (r.rlim_cur >= need)
        return r.rlim_cur;
    struct rlimit want = {need, r.rlim_max > need ? r.rlim_max : need};
    if (setrlimit(RLIMIT_NOFILE, &want) == 0)
        return need;
    uint64_t top = limit_file("/proc/sys/fs/nr_open");
    fprintf(stderr,
        "phxload: note: %llu open files wanted, the hard limit is %llu: ", (unsigned long long)need,
        (unsigned long long)r.rlim_max);
    if (need > top)
        fprintf(stderr, "sysctl -w fs.nr_open=%llu (now %llu)\n", (unsigned long long)need,
            (unsigned long long)top);
    else
        fprintf(stderr, "raise ulimit -Hn (takes CAP_SYS_RESOURCE)\n");
    want = (struct rlimit){r.rlim_max, r.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &want) == 0)
        r.rlim_cur = r.rlim_max;
    return r.rlim_cur;
}

void check_limits(void)
{
    unsigned long long lo = 0, hi = 65535, files = 2ull * opt.conns + 4096, v;
    uint64_t per_process = raise_files((opt.conns + opt.threads - 1) / opt.threads + 64ull) - 64;
    if ((uint64_t)opt.threads * per_process < opt.conns) {
        opt.threads = (uint32_t)((opt.conns + per_process - 1) / per_process);
        fprintf(stderr, "phxload: note: %u worker processes because of that limit\n", opt.threads);
        if (opt.threads > MAX_THREADS)
            die(2, "that is too many");
    }
    if ((v = limit_file("/proc/sys/fs/file-max")) < files)
        fprintf(stderr,
            "phxload: note: both ends take %llu files: sysctl -w fs.file-max=%llu (now %llu; "
            "root may go beyond)\n",
            files, files, v);
    FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
    if (f && fscanf(f, "%llu %llu", &lo, &hi) != 2)
        lo = 0, hi = 65535;
    if (f)
        fclose(f);
    if (opt.src_per_ip > hi - lo + 1)
        die(2,
            "--src-per-ip %u is more than the local ports: sysctl -w "
            "net.ipv4.ip_local_port_range=\"1024 65535\" (now %llu %llu)",
            opt.src_per_ip, lo, hi);
    uint64_t max = limit_file("/proc/sys/net/netfilter/nf_conntrack_max"), now = 0;
    if (max != UINT64_MAX && (now = limit_file("/proc/sys/net/netfilter/nf_conntrack_count")) &&
        now != UINT64_MAX && max - now < opt.conns)
        fprintf(stderr,
            "phxload: note: connection tracking is on and has room for %llu only: "
            "sysctl -w net.netfilter.nf_conntrack_max\n",
            (unsigned long long)(max - now));
}

void hint_limits(void)
{
    uint64_t used = 0, low = limit_file("/proc/sys/net/ipv4/tcp_mem");
    proc_number("/proc/net/sockstat", "TCP:", " mem ", &used);
    if (used > low)
        fprintf(stderr,
            "phxload: note: TCP memory is %llu pages, above the first number of "
            "net.ipv4.tcp_mem (%llu): raise tcp_mem\n",
            (unsigned long long)used, (unsigned long long)low);
    for (uint32_t i = 0; i < opt.threads; i++) {
        const char *e = workers[i].error;
        if (strstr(e, "Cannot assign requested address"))
            fprintf(stderr, "phxload: hint: local ports ran out: lower --src-per-ip or widen "
                            "net.ipv4.ip_local_port_range\n");
        if (strstr(e, "Too many open files"))
            fprintf(stderr, "phxload: hint: raise fs.nr_open, fs.file-max\n");
    }
}
