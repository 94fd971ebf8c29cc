/* Looking names up, for the network of scripts. libcurl would have a thread for each, which outlives a transfer that is not
 * wanted any more: here they are workers (js_rt.looks), few at once in the whole runtime and fewer for one family of scripts,
 * whatever becomes of who asked. A worker cannot be called back, so the resolver is told not to wait long. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>

#include <anqa/memory.h>

#include "base/container.h"
#include "js/web/net.h"
#include "js/work.h"
#include "runtime/hooks.h"

enum {
    AT_ONCE = 3,  /* for one script's process; those that wait for a worker count */
    ANSWER_S = 2, /* so long each server of names is waited for, */
    TRIES = 1,    /* and so often */
    ADDRESSES = 8,
    KNOWN_MS = 30000, /* what was found is not asked for again */
    RETRY_MS = 10
};

static const char look_tag[] = "$js.net.look";

/* One look-up; a process of its own. */
struct look {
    anqa_pid net, family;
    struct look_work {
        char host[NET_HOST_MAX + 1];
        char line[NET_LINE_MAX]; /* "+name:", what was found; or "-name:", why there is nothing */
    } work;
};

static void append(char *line, const char *text)
{
    size_t len = strlen(line);

    snprintf(line + len, NET_LINE_MAX - len, "%s", text);
}

/* As getaddrinfo, which takes as long as servers of names that do not answer let it: 30 seconds and more by itself. How long
 * it waits is the thread's own, and others use this one too. With other times than those of its file the C library does not
 * look whether that is a new one: so it is read each time. */
static int look_up_soon(const char *host, const struct addrinfo *hints, struct addrinfo **ret_list)
{
    bool ready = res_init() == 0;
    int retrans = _res.retrans, retry = _res.retry, error;

    if (ready) {
        _res.retrans = ANSWER_S;
        _res.retry = TRIES;
    }
    error = getaddrinfo(host, NULL, hints, ret_list);
    if (ready) {
        _res.retrans = retrans;
        _res.retry = retry;
    }
    return error;
}

/* On a worker. */
static void look_up(void *arg)
{
    struct look_work *work = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int error = look_up_soon(work->host, &hints, &list), count = 0;

    for (const struct addrinfo *info = error == 0 ? list : NULL; info != NULL && count < ADDRESSES;
        info = info->ai_next) {
        char text[INET6_ADDRSTRLEN];
        const void *at =
            info->ai_family == AF_INET
                ? (const void *)&((const struct sockaddr_in *)(const void *)info->ai_addr)->sin_addr
                : (const void *)&((const struct sockaddr_in6 *)(const void *)info->ai_addr)
                      ->sin6_addr;
        if ((info->ai_family != AF_INET && info->ai_family != AF_INET6) ||
            inet_ntop(info->ai_family, at, text, sizeof text) == NULL)
            continue;
        append(work->line, count++ > 0 ? "," : "");
        append(work->line, info->ai_family == AF_INET6 ? "[" : "");
        append(work->line, text);
        append(work->line, info->ai_family == AF_INET6 ? "]" : "");
    }
    if (error == 0)
        freeaddrinfo(list);
    if (count > 0)
        return;
    work->line[0] = '-';
    append(work->line, error == 0 ? "it has no address" : gai_strerror(error));
}

static void look_run(void *state)
{
    struct look *look = state;
    anqa_status status;

    status =
        work_blocking(&js_rt_get()->gates.looks, look->net, look->family, look_up, &look->work);
    if (status == ANQA_E_NOPROC)
        return;
    if (status != ANQA_OK) {
        look->work.line[0] = '-';
        append(look->work.line, anqa_status_text(status));
    }
    while (anqa_send(look->net, look_tag, anqa_bytes(look->work.line, strlen(look->work.line))) ==
           ANQA_E_FULL)
        anqa_sleep(RETRY_MS); /* its mailbox is full */
}

static bool look_begin(struct net_job *job)
{
    struct look look = {.net = anqa_self(), .family = job->net->family};
    anqa_pid pid;

    snprintf(
        look.work.host, sizeof look.work.host, "%.*s", (int)strcspn(job->name, ":"), job->name);
    snprintf(look.work.line, sizeof look.work.line, "+%s:", job->name);
    return anqa_spawn(&(anqa_spawn_opts){.run = look_run,
                          .arg = &look,
                          .arg_size = sizeof look,
                          .state_size = sizeof look,
                          .label = "look-up of a name for a script"},
               &pid, NULL) == ANQA_OK;
}

/* ---------------------------------------------------------------- names that are known */

/* Whether the line is one of that name. */
static bool is_of(const char *line, const char *name)
{
    size_t len = strlen(name);

    return strncmp(line + 1, name, len) == 0 && line[1 + len] == ':';
}

static const char *known(const struct net *net, const char *name)
{
    for (size_t i = 0; i < NET_NAMES; i++)
        if (net->names[i].line != NULL && net->names[i].until_ms > anqa_now_ms() &&
            is_of(net->names[i].line, name))
            return net->names[i].line;
    return NULL;
}

static void keep(struct net *net, const char *line)
{
    struct net_name *oldest = &net->names[0];
    char *copy;

    for (size_t i = 1; i < NET_NAMES; i++)
        if (net->names[i].until_ms < oldest->until_ms)
            oldest = &net->names[i];
    anqa_section_begin();
    copy = strdup(line);
    if (copy != NULL) {
        free(oldest->line);
        *oldest = (struct net_name){copy, anqa_now_ms() + KNOWN_MS};
    }
    anqa_section_end();
}

void net_look_close(struct net *net)
{
    for (size_t i = 0; i < NET_NAMES; i++)
        free(net->names[i].line);
}

/* ---------------------------------------------------------------- for jobs */

/* With the addresses of its name, which are looked at when it connects. */
static void go_with(struct net_job *job, const char *line)
{
    uint64_t now = anqa_now_ms();
    long left = job->look_due_ms > now ? (long)(job->look_due_ms - now) : 1;
    bool ok;

    job->look = NET_LOOK_NONE;
    anqa_section_begin();
    job->resolve = curl_slist_append(NULL, line);
    ok = job->resolve != NULL &&
         curl_easy_setopt(job->easy, CURLOPT_RESOLVE, job->resolve) == CURLE_OK &&
         curl_easy_setopt(job->easy, CURLOPT_CONNECTTIMEOUT_MS, left) == CURLE_OK;
    anqa_section_end();
    if (ok)
        net_add(job);
    else
        net_fail(job, "network", "out of memory");
}

void net_go(struct net_job *job)
{
    if (job->name == NULL) {
        net_add(job);
        return;
    }
    job->look = NET_LOOK_WAITS;
    job->look_due_ms = anqa_now_ms() + job->net->limits.connect_ms;
}

static struct net_job *job_of(struct anqa_list_node *node)
{
    return ANQA_CONTAINER_OF(node, struct net_job, node);
}

static bool is_looked_up(const struct net *net, const char *name)
{
    struct anqa_list_node *node = anqa_list_first(&net->jobs);

    while (node != NULL &&
           (job_of(node)->look != NET_LOOK_RUNS || strcmp(job_of(node)->name, name) != 0))
        node = anqa_list_next(&net->jobs, node);
    return node != NULL;
}

void net_look_on(struct net *net)
{
    struct anqa_list_node *node = anqa_list_first(&net->jobs);

    net->look_ms = UINT64_MAX;
    for (; node != NULL; node = anqa_list_next(&net->jobs, node)) {
        struct net_job *job = job_of(node);
        const char *line;
        if (job->look != NET_LOOK_WAITS || job->failure != NULL)
            continue;
        line = known(net, job->name);
        if (line != NULL) {
            go_with(job, line);
        } else if (net->looking < AT_ONCE && !is_looked_up(net, job->name)) {
            if (look_begin(job)) {
                net->looking++;
                job->look = NET_LOOK_RUNS;
            } else {
                net->look_ms = anqa_now_ms() + RETRY_MS;
            }
        }
    }
}

bool net_look_heard(struct net *net, const anqa_msg *msg)
{
    struct anqa_list_node *node = anqa_list_first(&net->jobs);
    const char *line;

    if (msg->kind != ANQA_MSG_PLAIN || msg->tag != look_tag) /* by address: nobody else has it */
        return false;
    line = anqa_tmp_copy(msg->body.ptr, msg->body.len);
    net->looking--;
    if (line[0] == '+')
        keep(net, line);
    for (; node != NULL; node = anqa_list_next(&net->jobs, node)) {
        struct net_job *job = job_of(node);
        if (job->look == NET_LOOK_NONE || job->failure != NULL || !is_of(line, job->name))
            continue;
        if (line[0] == '+')
            go_with(job, line);
        else
            net_fail(job, "network", "Could not resolve host: %.*s (%s)",
                (int)strcspn(job->name, ":"), job->name, line + strlen(job->name) + 2);
    }
    return true;
}
