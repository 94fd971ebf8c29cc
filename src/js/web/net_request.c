/* One HTTP request of a script: a transfer of libcurl's. It follows no redirects: fetch.js does, and each hop comes by here. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <anqa/memory.h>

#include "base/container.h"
#include "js/web/net.h"
#include "js/web/net_head.h"

enum {
    METHOD_MAX = 32,
    FIELDS_MAX = 256,       /* of a request */
    ENDLESS = -1,           /* length of a body that is not known */
    DOWN_MAX = 64 << 20,    /* bytes of one answer that wait, decompressed; and */
    WAITING_MAX = 256 << 20 /* of all in the runtime */
};

static atomic_size_t waiting; /* shared: bytes in the `down` of all requests */

/* Owner: the network process. */
struct request {
    struct net_job job;
    struct curl_slist *fields;
    bool endless; /* its answer may rest as long as it likes */
    bool told_head;
    bool coded;     /* the answer's body is compressed */
    bool head_over; /* the lines of a head that are in `head` are all */
    bool recv_paused, send_paused;
    bool has_body;  /* the request */
    bool body_over; /* all of it is in `up` */
    bool kept;      /* it stays there, so that it can be sent once more */
    int64_t length; /* of the body, or ENDLESS */
    uint64_t given; /* bytes of it that came */
    size_t up_at;   /* of a body that is kept: where the next byte is */
    size_t sent;    /* of the window: what is free again, and the script has not heard of */
    struct net_bytes up, head, down;
    size_t head_bytes; /* of the answer's heads */
    long status;
    uint64_t total; /* bytes of its body */
    size_t untaken; /* told, and not taken */
    uint64_t active_ms;
};

static struct request *request_of(struct net_job *job)
{
    return ANQA_CONTAINER_OF(job, struct request, job);
}

static void request_free(struct net_job *job)
{
    struct request *request = request_of(job);

    net_easy_free(job);
    curl_slist_free_all(request->fields);
    net_bytes_free(&request->up);
    net_bytes_free(&request->head);
    atomic_fetch_sub(&waiting, net_bytes_count(&request->down));
    net_bytes_free(&request->down);
    anqa_list_remove(&job->node);
    job->net->requests--;
    free(request);
}

/* ---------------------------------------------------------------- what libcurl calls; it runs in a section */

static size_t on_head(char *bytes, size_t one, size_t len, void *arg)
{
    struct request *request = arg;

    request->active_ms = anqa_now_ms();
    if (request->head_over) /* trailers: nobody can see them */
        return len;
    request->head_bytes += len;
    if (request->head_bytes > request->job.net->limits.head_bytes) {
        net_fail(&request->job, "limit", "the head of the answer has more than %u bytes",
            request->job.net->limits.head_bytes);
        return 0;
    }
    if (len >= 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        net_bytes_take(&request->head, net_bytes_count(&request->head));
        request->coded = false;
    }
    request->coded |= len > 17 && strncasecmp(bytes, "content-encoding:", 17) == 0;
    if (!net_bytes_add(&request->head, bytes, len))
        return 0;
    if (len <= 2 && (bytes[0] == '\r' || bytes[0] == '\n')) {
        (void)curl_easy_getinfo(request->job.easy, CURLINFO_RESPONSE_CODE, &request->status);
        request->head_over = request->status >= 200; /* others are only said in between */
    }
    return len;
}

static bool is_full(const struct request *request)
{
    return request->untaken + net_bytes_count(&request->down) >= NET_WINDOW;
}

static bool down_add(struct request *request, const char *bytes, size_t len)
{
    bool much = atomic_fetch_add(&waiting, len) + len > WAITING_MAX;

    if (much)
        net_fail(&request->job, "limit", "too many bytes of answers wait for their scripts");
    else if (net_bytes_count(&request->down) + len > DOWN_MAX)
        net_fail(&request->job, "limit", "the answer becomes too large when it is decompressed");
    else if (net_bytes_add(&request->down, bytes, len))
        return true;
    atomic_fetch_sub(&waiting, len);
    return false;
}

static size_t on_bytes(char *bytes, size_t one, size_t len, void *arg)
{
    struct request *request = arg;
    struct net *net = request->job.net;

    request->active_ms = anqa_now_ms();
    /* What one reading is decompressed to is taken, or libcurl would keep it, and nobody would count it; then it is paused. */
    if (is_full(request) && !request->coded) {
        request->recv_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    request->total += len;
    if (request->total > net->limits.body_bytes) {
        net_fail(&request->job, "limit", "an answer of more than %llu bytes",
            (unsigned long long)net->limits.body_bytes);
        return 0;
    }
    if (!down_add(request, bytes, len))
        return 0;
    net->full |= is_full(request);
    return len;
}

static size_t on_body(char *room, size_t one, size_t size, void *arg)
{
    struct request *request = arg;
    size_t at = request->kept ? request->up_at : 0, count = net_bytes_count(&request->up) - at;

    request->active_ms = anqa_now_ms();
    if (count == 0 && !request->body_over) {
        request->send_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    if (count == 0 && request->length != ENDLESS && request->given != (uint64_t)request->length)
        return CURL_READFUNC_ABORT;
    if (count > size)
        count = size;
    if (count == 0)
        return 0;
    memcpy(room, net_bytes_first(&request->up) + at, count);
    if (request->kept)
        request->up_at += count;
    else
        net_bytes_take(&request->up, count);
    request->sent += count;
    return count;
}

/* A connection that was kept alive has gone when it was used: the body goes over another. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct request *request = arg;

    if (!request->kept || offset != 0 || origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    request->up_at = 0;
    return CURL_SEEKFUNC_OK;
}

static void request_done(struct net_job *job, CURLcode result)
{
    struct request *request = request_of(job);

    if (result != CURLE_OK)
        net_fail_curl(job, result);
    else if (!request->head_over)
        net_fail(job, "network", "there is no answer");
}

/* ---------------------------------------------------------------- beginning */

static bool add_line(struct request *request, const char *line)
{
    struct curl_slist *longer;

    anqa_section_begin();
    longer = curl_slist_append(request->fields, line);
    anqa_section_end();
    if (longer != NULL)
        request->fields = longer;
    return longer != NULL;
}

static bool add_field(struct request *request, anqa_str name, anqa_str value)
{
    char *bytes = anqa_tmp_copy(value.ptr, value.len);
    size_t len = 0;

    if (!net_head_is_token(name) || !net_head_bytes(value, bytes, &len))
        return net_fail(&request->job, "refused", "a header is malformed"), false;
    if (net_head_is_ours(name))
        return true;
    bytes[len] = '\0';
    /* libcurl's way to say that a field is empty */
    return add_line(request, len == 0 ? anqa_tmp_printf("%.*s;", ANQA_FMT(name))
                                      : anqa_tmp_printf("%.*s: %s", ANQA_FMT(name), bytes));
}

static bool add_fields(struct request *request, anqa_value fields)
{
    anqa_value_each each = anqa_value_begin(fields);
    anqa_value name, value;
    bool typed = false;
    unsigned count = 0;

    if (anqa_value_kind_of(fields) != ANQA_VALUE_ARRAY)
        return net_fail(&request->job, "refused", "no headers"), false;
    while (anqa_value_next(&each, NULL, &name)) {
        static const char *const type[] = {"content-type", NULL};
        if (++count > FIELDS_MAX)
            return net_fail(&request->job, "limit", "more than %d headers", FIELDS_MAX), false;
        if (!anqa_value_next(&each, NULL, &value) ||
            !add_field(request, anqa_value_str(name), anqa_value_str(value)))
            return false;
        typed |= net_head_is_one_of(anqa_value_str(name), type);
    }
    /* what libcurl would add by itself */
    return (typed || !request->has_body || add_line(request, "Content-Type:")) &&
           (!request->has_body || add_line(request, "Expect:")) &&
           (request->length != ENDLESS || add_line(request, "Transfer-Encoding: chunked"));
}

/* HEAD and GET have libcurl's own ways, all others are POSTs of another name. */
static bool set_method(struct request *request, const char *method)
{
    static const char *const bodied[] = {"POST", "PUT", "PATCH", NULL};
    CURL *easy = request->job.easy;
    bool head = strcmp(method, "HEAD") == 0;

    if (!request->has_body && net_head_is_one_of(anqa_str_of(method), bodied)) {
        request->has_body = request->body_over = true; /* "Content-Length: 0" */
        request->length = 0;
    }
    if (curl_easy_setopt(easy, head ? CURLOPT_NOBODY : CURLOPT_HTTPGET, 1L) != CURLE_OK)
        return false;
    if (!request->has_body)
        return head || curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK;
    return curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->length) ==
               CURLE_OK &&
           /* what cannot be sent twice takes no connection that may have gone */
           curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, request->kept ? 0L : 1L) == CURLE_OK;
}

static bool set_callbacks(struct request *request)
{
    CURL *easy = request->job.easy;

    return curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_READDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SEEKDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "anqa/" ANQA_VERSION_STRING) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate, br") == CURLE_OK;
}

static bool set_request(struct request *request, const char *method)
{
    bool ok;

    anqa_section_begin();
    ok = set_method(request, method) && set_callbacks(request);
    anqa_section_end();
    return ok;
}

/* Reads what is asked. False: the job has failed, or there is no memory. */
static bool request_prepare(struct request *request, anqa_value what)
{
    static const char *const refused[] = {"CONNECT", "TRACE", "TRACK", NULL};
    static const char *const bare[] = {"GET", "HEAD", NULL};
    anqa_str method = anqa_value_str(anqa_value_get(what, "method"));
    anqa_value length = anqa_value_get(what, "length");
    const char *text = anqa_tmp_copy(method.ptr, method.len);

    request->has_body = anqa_value_kind_of(length) == ANQA_VALUE_INT;
    request->length = anqa_value_int(length, 0);
    request->kept = request->has_body && request->length >= 0 && request->length <= NET_WINDOW;
    request->endless =
        anqa_value_get_bool(anqa_value_get(what, "endless"), &request->endless) == ANQA_OK &&
        request->endless;
    if (method.len > METHOD_MAX || !net_head_is_token(method) ||
        net_head_is_one_of(method, refused) ||
        (request->has_body && net_head_is_one_of(method, bare)) || request->length < ENDLESS)
        return net_fail(&request->job, "refused", "no such request can be made"), false;
    if (!net_easy(&request->job, anqa_value_str(anqa_value_get(what, "url"))))
        return false;
    if (!set_request(request, text) || !add_fields(request, anqa_value_get(what, "headers")))
        return false;
    return curl_easy_setopt(request->job.easy, CURLOPT_HTTPHEADER, request->fields) == CURLE_OK;
}

/* ---------------------------------------------------------------- what the script says */

/* Tells libcurl what rests and what does not. */
static void set_pause(struct request *request)
{
    bool full = is_full(request);
    bool starved = request->send_paused && !request->body_over &&
                   net_bytes_count(&request->up) == (request->kept ? request->up_at : 0);
    if (request->job.done || request->job.failure != NULL ||
        (full == request->recv_paused && starved == request->send_paused))
        return;
    if (request->recv_paused && !full)
        request->active_ms = anqa_now_ms();
    request->recv_paused = full;
    request->send_paused = starved;
    anqa_section_begin();
    (void)curl_easy_pause(request->job.easy, (full ? CURLPAUSE_RECV : CURLPAUSE_RECV_CONT) |
                                                 (starved ? CURLPAUSE_SEND : CURLPAUSE_SEND_CONT));
    anqa_section_end();
}

static void take_body(struct request *request, anqa_str bytes)
{
    bool known = request->length != ENDLESS;

    if (!request->has_body || request->body_over)
        return;
    request->given += bytes.len;
    request->sent += NET_COST; /* the message is taken */
    if (known && request->given > (uint64_t)request->length)
        net_fail(&request->job, "refused", "a body that is longer than was said");
    else if (!request->kept && net_bytes_count(&request->up) > NET_WINDOW)
        net_fail(&request->job, "limit", "more of a body than was asked for");
    else if (!net_bytes_add(&request->up, bytes.ptr, bytes.len))
        net_fail(&request->job, "network", "out of memory");
}

static void request_ask(struct net_job *job, enum net_ask ask, anqa_value value)
{
    struct request *request = request_of(job);
    int64_t count = anqa_value_int(value, 0);

    if (ask == NET_BODY)
        take_body(request, anqa_value_str(value));
    else if (ask == NET_BODY_END)
        request->body_over = true;
    else if (ask == NET_TAKEN && count > 0)
        request->untaken -= (uint64_t)count < request->untaken ? (size_t)count : request->untaken;
    set_pause(request);
}

/* ---------------------------------------------------------------- what is told */

static bool tell_head(struct request *request)
{
    anqa_value_writer writer;
    anqa_value value = {NULL, 0};

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_array_begin(&writer);
    anqa_value_put_str(&writer, anqa_str_of("head"));
    anqa_value_put_int(&writer, request->status);
    net_head_write(
        &writer, anqa_str_make(net_bytes_first(&request->head), net_bytes_count(&request->head)));
    anqa_value_end(&writer);
    if (anqa_value_done(&writer, &value) != ANQA_OK)
        return net_fail(&request->job, "limit", "the head of the answer is too long"), false;
    return net_tell(&request->job, value);
}

/* True: all that there is now was told. */
static bool tell_down(struct request *request)
{
    while (net_bytes_count(&request->down) > 0 && request->untaken < NET_WINDOW) {
        size_t len = net_bytes_count(&request->down);
        if (len > NET_PART)
            len = NET_PART;
        if (!net_tell_bytes(&request->job, net_bytes_first(&request->down), len))
            return false;
        net_bytes_take(&request->down, len);
        atomic_fetch_sub(&waiting, len);
        request->untaken += len + NET_COST;
    }
    return net_bytes_count(&request->down) == 0;
}

static bool request_flush(struct net_job *job)
{
    struct request *request = request_of(job);

    /* What came before a connection broke is told before. */
    if (job->failure != NULL && (!request->head_over || strcmp(job->failure, "network") != 0))
        return net_tell_error(job);
    if (request->head_over && !request->told_head) {
        if (!tell_head(request))
            return false;
        request->told_head = true;
        net_bytes_free(&request->head);
    }
    if (request->sent > 0 && net_tell_sent(job, request->sent))
        request->sent = 0;
    if (request->told_head && tell_down(request) && job->done)
        return job->failure != NULL ? net_tell_error(job) : net_tell_word(job, "end");
    set_pause(request);
    return false;
}

static uint64_t request_due(const struct net_job *job)
{
    const struct request *request = ANQA_CONTAINER_OF(job, const struct request, job);

    if (job->done || request->recv_paused || request->send_paused)
        return UINT64_MAX; /* the script is waited for */
    if (!request->head_over)
        return request->active_ms + job->net->limits.head_ms;
    return request->endless ? UINT64_MAX : request->active_ms + job->net->limits.idle_ms;
}

static const char *request_late(const struct net_job *job)
{
    const struct request *request = ANQA_CONTAINER_OF(job, const struct request, job);

    return request->head_over ? "nothing more comes of the answer" : "there is no answer in time";
}

/* It has no descriptor of its own: libcurl has read. */
static void request_ready(struct net_job *job, unsigned events)
{
    set_pause(request_of(job));
}

static const struct net_kind request_kind = {
    .ask = request_ask,
    .done = request_done,
    .ready = request_ready,
    .flush = request_flush,
    .due = request_due,
    .late = request_late,
    .free = request_free,
};

struct net_job *net_request_new(struct net *net, uint32_t id, anqa_value what)
{
    struct request *request = calloc(1, sizeof *request);

    if (request == NULL)
        return NULL;
    request->job = (struct net_job){
        .net = net, .kind = &request_kind, .multi = &net->multi, .id = id, .fd = CURL_SOCKET_BAD};
    request->active_ms = anqa_now_ms();
    anqa_list_push(&net->jobs, &request->job.node);
    if (++net->requests > net->limits.requests)
        net_fail(&request->job, "limit", "more than %u requests at once", net->limits.requests);
    else if (!request_prepare(request, what))
        net_fail(&request->job, "network", "the request cannot be made");
    else
        net_go(&request->job);
    return &request->job;
}
