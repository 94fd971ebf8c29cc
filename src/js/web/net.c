#include "js/web/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "base/buf_meter.h"
#include "base/container.h"
#include "js/convert.h"
#include "js/spawn.h"
#include "js/turn.h"
#include "runtime/poller.h"

enum {
    MAILBOX = 1024,
    EVENTS = 32,
    ROUNDS = 8,     /* of reading events, until others have their turn */
    IDLE_MS = 5000, /* without a job: the process ends */
    STUCK_MS = 20,
    MESSAGE_MOST = 1 << 30, /* what limits.net.message_bytes may be */
    KEPT_ALIVE = 32,        /* connections that nobody uses */
    /* Room on the meter. Told of one job: a head, and a window, whose end a part may be beyond. Asked by all: they try again. */
    TOLD_ROOM = NET_WINDOW + 2 * NET_PART,
    ASKED_ROOM = 1 << 20
};

static const char ask_tag[] = "$js.net";
static const char meter_tag[] = "$js.net.meter";
static const char stop_tag[] = "$js.net.stop";
static const char timer_tag[] = "$js.net.timer";

/* ---------------------------------------------------------------- bytes that wait */

char *net_bytes_room(struct net_bytes *queue, size_t len)
{
    size_t count = net_bytes_count(queue), size = queue->size;
    char *bigger;

    if (queue->size - queue->len >= len)
        return queue->bytes + queue->len;
    if (count > 0)
        memmove(queue->bytes, net_bytes_first(queue), count);
    queue->at = 0;
    queue->len = count;
    if (size - count >= len)
        return queue->bytes + count;
    while (size - count < len)
        size = size == 0 ? 4096 : size * 2;
    bigger = realloc(queue->bytes, size);
    if (bigger == NULL)
        return NULL;
    queue->bytes = bigger;
    queue->size = size;
    return bigger + count;
}

bool net_bytes_add(struct net_bytes *queue, const void *bytes, size_t len)
{
    char *room = len == 0 ? NULL : net_bytes_room(queue, len);

    if (room != NULL)
        memcpy(room, bytes, len);
    if (room != NULL)
        queue->len += len;
    return len == 0 || room != NULL;
}

void net_bytes_take(struct net_bytes *queue, size_t len)
{
    queue->at += len;
    if (queue->at < queue->len)
        return;
    queue->at = queue->len = 0;
    if (queue->size > NET_PART)
        net_bytes_free(queue);
}

void net_bytes_free(struct net_bytes *queue)
{
    free(queue->bytes);
    *queue = (struct net_bytes){0};
}

/* ---------------------------------------------------------------- telling */

void net_fail(struct net_job *job, const char *failure, const char *format, ...)
{
    va_list args;

    if (job->failure != NULL)
        return;
    job->failure = failure;
    va_start(args, format);
    (void)vsnprintf(job->why, sizeof job->why, format, args);
    va_end(args);
}

void net_fail_curl(struct net_job *job, CURLcode result)
{
    if (job->refused && result == CURLE_COULDNT_CONNECT)
        net_fail(job, "refused", "its address is none that a script may reach");
    else
        net_fail(job, result == CURLE_OPERATION_TIMEDOUT ? "timeout" : "network", "%s",
            job->text[0] != '\0' ? job->text : curl_easy_strerror(result));
}

bool net_tell(struct net_job *job, anqa_value value)
{
    anqa_status status = web_tell(job->net->meter, job->net->owner, job->id, value);

    if (status == ANQA_E_NOPROC)
        anqa_exit(ANQA_NORMAL);
    job->net->stuck |= status != ANQA_OK;
    return status == ANQA_OK;
}

static bool tell_written(struct net_job *job, anqa_value_writer *writer)
{
    anqa_value value = {NULL, 0};

    anqa_value_end(writer);
    if (anqa_value_done(writer, &value) != ANQA_OK)
        anqa_exit(anqa_error_reason("what the network tells cannot be written"));
    return net_tell(job, value);
}

static void begin_words(anqa_value_writer *writer, const char *word)
{
    anqa_value_writer_init(writer, anqa_tmp(), NULL);
    anqa_value_array_begin(writer);
    anqa_value_put_str(writer, anqa_str_of(word));
}

bool net_tell_bytes(struct net_job *job, const char *bytes, size_t len)
{
    anqa_value_writer writer;
    anqa_value value = {NULL, 0};

    if (job->net->stuck) /* what has no room is not written in vain for each job */
        return false;
    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_put_bytes(&writer, anqa_str_make(bytes, len));
    if (anqa_value_done(&writer, &value) != ANQA_OK)
        anqa_exit(anqa_error_reason("what the network tells cannot be written"));
    return net_tell(job, value);
}

bool net_tell_word(struct net_job *job, const char *word)
{
    anqa_value_writer writer;

    begin_words(&writer, word);
    return tell_written(job, &writer);
}

bool net_tell_sent(struct net_job *job, size_t bytes)
{
    anqa_value_writer writer;

    begin_words(&writer, "sent");
    anqa_value_put_int(&writer, (int64_t)bytes);
    return tell_written(job, &writer);
}

bool net_tell_error(struct net_job *job)
{
    anqa_value_writer writer;
    size_t len = strlen(job->why);

    if (job->net->stuck)
        return false;
    for (size_t i = 0; i < len; i++) /* it quotes what servers say */
        if ((unsigned char)job->why[i] < ' ' || (unsigned char)job->why[i] > '~')
            job->why[i] = '?';
    begin_words(&writer, "error");
    anqa_value_put_str(&writer, anqa_str_of(job->failure));
    anqa_value_put_str(&writer, anqa_str_make(job->why, len));
    return tell_written(job, &writer);
}

/* ---------------------------------------------------------------- libcurl and the epoll instance */

int net_epoll(const struct net *net)
{
    return net->entry->fd;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    struct net_multi *multi = arg;
    struct epoll_event event = {
        .events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u),
        .data.u64 = (uint64_t)multi->id << 32 | (uint32_t)fd};

    if (multi->net->closing)
        return 0;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(net_epoll(multi->net), EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    if (epoll_ctl(net_epoll(multi->net), EPOLL_CTL_MOD, fd, &event) == 0)
        return 0;
    return errno == ENOENT && epoll_ctl(net_epoll(multi->net), EPOLL_CTL_ADD, fd, &event) == 0 ? 0
                                                                                               : -1;
}

static int on_timer(CURLM *handle, long timeout_ms, void *arg)
{
    struct net_multi *multi = arg;

    multi->due_ms = timeout_ms < 0 ? UINT64_MAX : anqa_now_ms() + (uint64_t)timeout_ms;
    return 0;
}

bool net_multi_open(struct net_multi *multi, struct net *net, uint32_t id)
{
    bool ok;

    *multi = (struct net_multi){.net = net, .id = id, .due_ms = UINT64_MAX};
    anqa_section_begin();
    multi->handle = curl_multi_init();
    ok = multi->handle != NULL &&
         curl_multi_setopt(multi->handle, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
         curl_multi_setopt(multi->handle, CURLMOPT_SOCKETDATA, multi) == CURLM_OK &&
         curl_multi_setopt(multi->handle, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
         curl_multi_setopt(multi->handle, CURLMOPT_TIMERDATA, multi) == CURLM_OK &&
         curl_multi_setopt(multi->handle, CURLMOPT_MAXCONNECTS, (long)KEPT_ALIVE) == CURLM_OK;
    anqa_section_end();
    return ok;
}

void net_multi_close(struct net_multi *multi)
{
    anqa_section_begin();
    if (multi->handle != NULL)
        (void)curl_multi_cleanup(multi->handle);
    multi->handle = NULL;
    multi->due_ms = UINT64_MAX;
    anqa_section_end();
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct net_job *job = arg;

    if (net_policy_address(job->reach, &address->addr, (socklen_t)address->addrlen))
        return socket(
            address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
    job->refused = true; /* if there is no other */
    return CURL_SOCKET_BAD;
}

/* Addresses need no thread; names are known already. */
static int on_look_up(void *resolver, void *unused, void *arg)
{
    const struct net_job *job = arg;

    return job->name != NULL;
}

/* What is common to all. */
static bool set_options(struct net_job *job)
{
    const struct net *net = job->net;
    CURL *easy = job->easy;

    return curl_easy_setopt(easy, CURLOPT_CURLU, job->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, job) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, job->text) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, on_look_up) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, job) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") ==
               CURLE_OK && /* nor what the environment says */
           curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)net->limits.connect_ms) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, job) == CURLE_OK &&
           (net->script->ca_file == NULL ||
               curl_easy_setopt(easy, CURLOPT_CAINFO, net->script->ca_file) == CURLE_OK);
}

/* What of it is to be looked up. False: the job has failed. */
static bool set_name(struct net_job *job, const char *host, const char *port)
{
    struct in_addr address;

    if (host[0] == '[' || inet_pton(AF_INET, host, &address) == 1)
        return true;
    if (strlen(host) > NET_HOST_MAX || strchr(host, ':') != NULL)
        return net_fail(job, "refused", "no name of a host"), false;
    if (asprintf(&job->name, "%s:%s", host, port) < 0)
        return job->name = NULL, net_fail(job, "network", "out of memory"), false;
    return true;
}

/* Whether the URL may be asked; else the job has failed. */
static bool check_url(struct net_job *job)
{
    char *scheme = NULL, *host = NULL, *port = NULL;
    bool ok = curl_url_get(job->url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(job->url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              curl_url_get(job->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;

    if (!ok || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
        net_fail(job, "refused", "no URL of http or https");
        ok = false;
    }
    if (ok) {
        unsigned long number = strtoul(port, NULL, 10);
        job->reach = net_policy_host(job->net->script->hosts, anqa_str_of(host), (uint16_t)number,
            number == (strcmp(scheme, "https") == 0 ? 443u : 80u));
        ok = job->reach != NET_REFUSED;
        if (!ok)
            net_fail(job, "refused", "%.100s:%s is not among the hosts of this script", host, port);
        ok = ok && set_name(job, host, port);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return ok;
}

static bool make_easy(struct net_job *job, const char *url)
{
    job->url = curl_url();
    if (job->url == NULL)
        return net_fail(job, "network", "out of memory"), false;
    if (curl_url_set(job->url, CURLUPART_URL, url, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS) !=
        CURLUE_OK)
        return net_fail(job, "refused", "no URL"), false;
    if (!check_url(job))
        return false;
    job->easy = curl_easy_init();
    if (job->easy == NULL || !set_options(job))
        return net_fail(job, "network", "out of memory"), false;
    return true;
}

bool net_easy(struct net_job *job, anqa_str url)
{
    bool ok;

    if (url.len > job->net->limits.url_bytes)
        return net_fail(job, "limit", "a URL of more than %u bytes", job->net->limits.url_bytes),
               false;
    for (size_t i = 0; i < url.len; i++)
        if (url.ptr[i] <= ' ' || url.ptr[i] > '~')
            return net_fail(job, "refused", "no URL"), false;
    anqa_section_begin();
    ok = make_easy(job, anqa_tmp_copy(url.ptr, url.len));
    anqa_section_end();
    return ok;
}

void net_add(struct net_job *job)
{
    CURLMcode code;

    anqa_section_begin();
    code = curl_multi_add_handle(job->multi->handle, job->easy);
    anqa_section_end();
    if (code != CURLM_OK)
        net_fail(job, "network", "%s", curl_multi_strerror(code));
}

void net_easy_free(struct net_job *job)
{
    if (job->fd != CURL_SOCKET_BAD && !job->net->closing) /* the number may be another's soon */
        (void)epoll_ctl(net_epoll(job->net), EPOLL_CTL_DEL, job->fd, NULL);
    job->fd = CURL_SOCKET_BAD;
    anqa_section_begin();
    if (job->easy != NULL && job->multi != NULL && job->multi->handle != NULL)
        (void)curl_multi_remove_handle(job->multi->handle, job->easy); /* or it is in none */
    curl_easy_cleanup(job->easy);
    curl_url_cleanup(job->url);
    curl_slist_free_all(job->resolve);
    free(job->name);
    job->easy = NULL;
    job->url = NULL;
    job->resolve = NULL;
    job->name = NULL;
    job->look = NET_LOOK_NONE;
    job->done = true;
    anqa_section_end();
}

/* ---------------------------------------------------------------- events */

static struct net_job *job_find(const struct net *net, uint32_t id)
{
    struct anqa_list_node *node = anqa_list_first(&net->jobs);

    while (node != NULL && ANQA_CONTAINER_OF(node, struct net_job, node)->id != id)
        node = anqa_list_next(&net->jobs, node);
    return node == NULL ? NULL : ANQA_CONTAINER_OF(node, struct net_job, node);
}

/* Before more is read. */
static void pause_all(struct net *net)
{
    struct anqa_list_node *node = anqa_list_first(&net->jobs);

    net->full = false;
    for (; node != NULL; node = anqa_list_next(&net->jobs, node)) {
        struct net_job *job = ANQA_CONTAINER_OF(node, struct net_job, node);
        if (job->multi == &net->multi)
            job->kind->ready(job, 0);
    }
}

static void multi_act(struct net_multi *multi, curl_socket_t fd, int bits)
{
    int running;
    CURLMsg *message;
    struct net_job *job = NULL;

    anqa_section_begin();
    (void)curl_multi_socket_action(multi->handle, fd, bits, &running);
    while ((message = curl_multi_info_read(multi->handle, &running)) != NULL) {
        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&job) != CURLE_OK)
            continue;
        job->done = true;
        job->kind->done(job, message->data.result);
    }
    anqa_section_end();
    if (multi->net->full)
        pause_all(multi->net);
}

static int curl_bits(uint32_t events)
{
    return (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
           (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
}

static void dispatch(struct net *net, const struct epoll_event *event)
{
    uint32_t id = (uint32_t)(event->data.u64 >> 32);
    int fd = (int)(uint32_t)event->data.u64;
    struct net_job *job;

    if (id == 0) {
        multi_act(&net->multi, fd, curl_bits(event->events));
        return;
    }
    job = job_find(net, id);
    if (job == NULL || job->failure != NULL) /* it went meanwhile */
        return;
    if (job->done)
        job->kind->ready(job, event->events);
    else
        multi_act(job->multi, fd, curl_bits(event->events));
}

/* True: the kernel has no more for now. */
static bool read_events(struct net *net)
{
    struct epoll_event events[EVENTS];

    for (int round = 0; round < ROUNDS; round++) {
        int count = epoll_wait(net_epoll(net), events, EVENTS, 0);
        if (count <= 0)
            return true;
        for (int i = 0; i < count; i++)
            dispatch(net, &events[i]);
    }
    return false;
}

static void multi_timer(struct net_multi *multi, uint64_t now)
{
    if (multi->due_ms > now)
        return;
    multi->due_ms = UINT64_MAX;
    multi_act(multi, CURL_SOCKET_TIMEOUT, 0);
}

static void run_timers(struct net *net)
{
    uint64_t now = anqa_now_ms();
    struct anqa_list_node *node = anqa_list_first(&net->jobs);

    multi_timer(&net->multi, now);
    for (; node != NULL; node = anqa_list_next(&net->jobs, node)) {
        struct net_job *job = ANQA_CONTAINER_OF(node, struct net_job, node);
        if (job->multi != &net->multi && job->multi != NULL && !job->done)
            multi_timer(job->multi, now);
        if (job->failure == NULL && job->kind->due(job) <= now)
            net_fail(job, "timeout", "%s", job->kind->late(job));
        if (job->look != NET_LOOK_NONE && job->look_due_ms <= now)
            net_fail(job, "timeout", "the name of the host is not found in time");
    }
}

static void flush_all(struct net *net)
{
    struct anqa_list_node *node = anqa_list_first(&net->jobs), *next;

    net->stuck = false;
    for (; node != NULL; node = next) {
        struct net_job *job = ANQA_CONTAINER_OF(node, struct net_job, node);
        next = anqa_list_next(&net->jobs, node);
        if (job->failure != NULL && job->easy != NULL)
            net_easy_free(job);
        if (job->kind->flush(job))
            job->kind->free(job);
    }
}

/* ---------------------------------------------------------------- the process */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_due(const struct net *net)
{
    uint64_t due = earlier(earlier(net->multi.due_ms, net->idle_ms), net->look_ms);
    struct anqa_list_node *node = anqa_list_first(&net->jobs);

    for (; node != NULL; node = anqa_list_next(&net->jobs, node)) {
        const struct net_job *job = ANQA_CONTAINER_OF(node, struct net_job, node);
        if (job->multi != NULL && !job->done)
            due = earlier(due, job->multi->due_ms);
        if (job->failure == NULL)
            due = earlier(due, job->kind->due(job));
        if (job->failure == NULL && job->look != NET_LOOK_NONE)
            due = earlier(due, job->look_due_ms);
    }
    return net->stuck ? earlier(due, anqa_now_ms() + STUCK_MS) : due;
}

static void arm(struct net *net)
{
    uint64_t due = next_due(net), now = anqa_now_ms();

    if (due >= net->armed_ms) /* it fires in time, or too early, which does no harm */
        return;
    if (net->timer.bits != 0)
        (void)anqa_timer_cancel(net->timer);
    net->armed_ms = due;
    net->timer = anqa_send_after(
        anqa_self(), timer_tag, anqa_nothing(), due > now ? (uint32_t)(due - now) : 0);
}

/* Offers to end; the script says so if it has not begun something meanwhile. */
static void look_idle(struct net *net)
{
    uint64_t now = anqa_now_ms();
    struct net_job nobody = {.net = net, .id = net->source};

    if (!anqa_list_empty(&net->jobs)) {
        net->idle_ms = UINT64_MAX;
        return;
    }
    if (net->idle_ms <= now)
        (void)net_tell_word(&nobody, "idle");
    if (net->idle_ms <= now || net->idle_ms == UINT64_MAX)
        net->idle_ms = now + IDLE_MS;
}

static void drive(struct net *net)
{
    anqa_status status;

    if (read_events(net))
        fd_drained(net->entry);
    net_look_on(net);
    run_timers(net);
    flush_all(net);
    look_idle(net);
    arm(net);
    status = fd_arm(net->entry, FD_IN);
    if (status != ANQA_OK)
        anqa_exit(anqa_error_reason("the network of a script: %s", anqa_status_text(status)));
}

/* Whatever happens to the process. */
static void on_exit_hook(struct exit_hook *hook, anqa_pid pid)
{
    struct net *net = ANQA_CONTAINER_OF(hook, struct net, hook);
    struct anqa_list_node *node;

    net->closing = true;
    while ((node = anqa_list_first(&net->jobs)) != NULL) {
        struct net_job *job = ANQA_CONTAINER_OF(node, struct net_job, node);
        job->kind->free(job);
    }
    net_multi_close(&net->multi);
    net_look_close(net);
    buf_meter_unref(net->meter);
}

static uint32_t or_standard(uint32_t given, uint32_t standard)
{
    return given == 0 ? standard : given;
}

static void set_limits(struct net *net)
{
    const anqa_js_net_limits *given = &net->script->limits.net;
    uint32_t head = or_standard(given->head_bytes, 64 << 10);
    uint32_t message = or_standard(given->message_bytes, 16 << 20);

    net->limits = (anqa_js_net_limits){
        .requests = or_standard(given->requests, 100),
        .sockets = or_standard(given->sockets, 20),
        .connect_ms = or_standard(given->connect_ms, 10000),
        .head_ms = or_standard(given->head_ms, 30000),
        .idle_ms = or_standard(given->idle_ms, 300000),
        .head_bytes = head > 100 << 10 ? 100 << 10 : head,
        .url_bytes = or_standard(given->url_bytes, 16 << 10),
        .message_bytes = message > MESSAGE_MOST ? MESSAGE_MOST : message,
        .body_bytes = given->body_bytes == 0 ? UINT64_MAX : given->body_bytes,
    };
}

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static bool curl_ready;

static void init_curl(void)
{
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static void net_init(void *state)
{
    struct net *net = state;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    anqa_status status = epoll < 0 ? anqa_status_from_errno(errno) : ANQA_OK;

    if (status == ANQA_OK)
        status = fd_open(epoll, FD_CONN, &net->entry);
    if (status != ANQA_OK) {
        if (epoll >= 0)
            close(epoll);
        anqa_exit(anqa_error_reason("the network of a script: %s", anqa_status_text(status)));
    }
    net->entry->is_unix = 1; /* it is not TCP: only what is waited for is watched */
    anqa_list_init(&net->jobs);
    net->armed_ms = net->idle_ms = net->look_ms = UINT64_MAX;
    net->hook.run = on_exit_hook;
    exit_hook_add(&net->hook);
    net->watch = anqa_monitor(net->owner);
    anqa_section_begin();
    (void)pthread_once(&curl_once, init_curl);
    anqa_section_end();
    if (!curl_ready || !net_multi_open(&net->multi, net, 0))
        anqa_exit(anqa_error_reason("the network of a script: libcurl does not start"));
    drive(net);
}

/* Asks of a script: kind and id, then a value. */
struct ask_head {
    uint32_t ask, id;
};

static void begin_job(struct net *net, enum net_ask ask, uint32_t id, anqa_value value)
{
    struct net_job *job =
        ask == NET_REQUEST ? net_request_new(net, id, value) : net_socket_new(net, id, value);

    if (job == NULL)
        anqa_exit(anqa_reason_make(ANQA_REASON_SYSTEM_LIMIT, "no memory for the network"));
}

static void take_ask(struct net *net, const anqa_msg *msg)
{
    struct ask_head head;
    struct net_job *job;
    anqa_value value;

    if (msg->body.len < sizeof head)
        return;
    memcpy(&head, msg->body.ptr, sizeof head);
    if (anqa_value_check(msg->body.ptr + sizeof head, msg->body.len - sizeof head, NULL, &value) !=
        ANQA_OK)
        return;
    job = job_find(net, head.id);
    if (head.ask == NET_REQUEST || head.ask == NET_SOCKET) {
        if (job == NULL)
            begin_job(net, head.ask, head.id, value);
    } else if (job != NULL && head.ask == NET_DROP) {
        job->kind->free(job);
    } else if (job != NULL && job->failure == NULL) {
        job->kind->ask(job, head.ask, value);
    }
}

/* The bytes of js->net_pass, a buf on that meter: who has the buf has the meter, so it can be sent. */
struct pass {
    struct buf_meter *meter;
};

static struct buf_meter *meter_of(const char *bytes)
{
    struct pass pass;

    memcpy(&pass, bytes, sizeof pass);
    return pass.meter;
}

static void net_handle(void *state, const anqa_msg *msg)
{
    struct net *net = state;

    if ((msg->kind == ANQA_MSG_DOWN && anqa_ref_eq(msg->ref, net->watch)) || msg->tag == stop_tag)
        anqa_exit(ANQA_NORMAL);
    if (msg->kind == ANQA_MSG_PLAIN && msg->tag == ask_tag) /* by address: nobody else has it */
        take_ask(net, msg);
    else if (msg->kind == ANQA_MSG_PLAIN && msg->tag == meter_tag)
        net->meter = buf_meter_ref(meter_of(msg->body.ptr)); /* the first message, and once */
    else if (!net_look_heard(net, msg) && msg->kind == ANQA_MSG_TIMEOUT &&
             msg->ref.bits == net->timer.bits)
        net->armed_ms = UINT64_MAX;
    drive(net);
}

static const anqa_behaviour behaviour = {
    .name = "js.network", .init = net_init, .handle = net_handle};

/* ---------------------------------------------------------------- the operations */

static anqa_status make_pass(struct js *js, const anqa_js_net_limits *limits)
{
    size_t jobs = (size_t)limits->requests + limits->sockets;
    struct pass pass = {buf_meter_new(jobs * TOLD_ROOM + ASKED_ROOM, NULL)};
    anqa_status status;
    char *bytes;

    if (pass.meter == NULL)
        return ANQA_E_NOMEM;
    status = buf_new_metered(pass.meter, sizeof pass, 0, &js->net_pass, &bytes);
    if (status == ANQA_OK)
        memcpy(bytes, &pass, sizeof pass);
    buf_meter_unref(pass.meter);
    return status;
}

/* The first message that the process gets. */
static anqa_status pass_meter(struct js *js)
{
    anqa_status status = anqa_send(js->net, meter_tag, anqa_shared(js->net_pass));

    if (status == ANQA_OK || status == ANQA_E_NOPROC)
        return ANQA_OK;
    anqa_exit_signal(js->net, ANQA_KILL);
    js->net.bits = 0;
    return status;
}

/* start(source): the process, which is there from now on. */
static uint64_t op_start(struct js *js, const uint64_t *args)
{
    const anqa_value_limits *values = &js->script->limits.values;
    struct net arg = {.script = js->script, .owner = anqa_self(), .family = spawn_root(js)};
    double source = 0;
    anqa_status status;

    if (js->net.bits != 0 && anqa_is_alive(js->net))
        return convert_pid_in(js, js->net);
    if (values->bytes != 0 && values->bytes < (size_t)4 * NET_PART)
        return turn_throw(
            js, "RangeError", "limits.values.bytes is below %d: too little", 4 * NET_PART);
    (void)convert_number(args[0], &source);
    arg.source = (uint32_t)source;
    set_limits(&arg);
    status = js->net_pass.len > 0 ? ANQA_OK : make_pass(js, &arg.limits);
    if (status == ANQA_OK)
        status = anqa_spawn(
            &(anqa_spawn_opts){
                .behaviour = &behaviour,
                .arg = &arg,
                .arg_size = sizeof arg,
                .state_size = sizeof arg,
                .label = "network of a script",
                .pinned = true,
                .mailbox_limit = MAILBOX,
            },
            &js->net, NULL);
    if (status == ANQA_OK)
        status = pass_meter(js);
    if (status != ANQA_OK)
        return turn_throw(js, "Error", "no process for the network: %s", anqa_status_text(status));
    return convert_pid_in(js, js->net);
}

/* send(ask, id, value): false when its mailbox or the meter is full; when it has ended, that is told by its monitor. */
static uint64_t op_send(struct js *js, const uint64_t *args)
{
    double ask = -1, id = 0;
    struct ask_head head;
    anqa_value value;
    anqa_status status;
    anqa_buf bytes;
    char *at;

    if (!convert_number(args[0], &ask) || !(ask >= 0 && ask < NET_ASK_COUNT) ||
        !convert_number(args[1], &id) || !(id >= 1 && id < UINT32_MAX))
        return turn_throw(js, "TypeError", "nothing to ask the network for");
    if (!convert_out_whole(js, args[2], &value))
        return JS_EXCEPTION;
    if (value.len > NET_ASKED_MAX)
        return turn_throw(
            js, "RangeError", "more than %d bytes for the network at once", NET_ASKED_MAX);
    head = (struct ask_head){(uint32_t)ask, (uint32_t)id};
    if (js->net_pass.len == 0)
        return JS_TRUE; /* there never was one */
    status =
        buf_new_metered(meter_of(js->net_pass.ptr), sizeof head + value.len, NET_COST, &bytes, &at);
    if (status != ANQA_OK)
        return JS_FALSE;
    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, value.ptr, value.len);
    status = anqa_send(js->net, ask_tag, anqa_shared(bytes));
    anqa_buf_unref(bytes);
    return status == ANQA_OK || status == ANQA_E_NOPROC ? JS_TRUE : JS_FALSE;
}

/* stop() */
static uint64_t op_stop(struct js *js, const uint64_t *args)
{
    if (js->net.bits != 0)
        (void)anqa_send(js->net, stop_tag, anqa_nothing());
    js->net.bits = 0;
    return JS_UNDEFINED;
}

const struct js_op web_net_ops[] = {{op_start, false}, {op_send, false}, {op_stop, false},
    {web_run_job, false} /* integrity.js */, {0}};
