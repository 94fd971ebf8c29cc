/* Messages: made by the sender, dropped by whoever has them last. */
#include <stdlib.h>
#include <string.h>

#include "runtime/proc.h"
#include "runtime/sched.h"

static struct msg *msg_alloc(struct sched *s, size_t payload)
{
    unsigned class = block_class(sizeof(struct msg) + payload);
    struct msg *msg = block_take(&s->blocks, class);

    if (msg == NULL)
        return NULL;
    COUNT_ADD(s, messages, 1);
    msg->pub.class_ = (uint8_t)class;
    return msg;
}

static void msg_set(struct msg *msg, unsigned kind, const char *tag, anqa_pid from, anqa_ref ref)
{
    msg->next = NULL;
    msg->pub.tag = tag;
    msg->pub.from = from;
    msg->pub.ref = ref;
    msg->pub.body = (anqa_json){NULL, 0};
    msg->pub.u.block = NULL;
    msg->pub.kind = (uint8_t)kind;
    msg->pub.payload = ANQA_PAYLOAD_NONE;
    msg->pub.flags_ = 0;
    msg->pub.life_ = 0;
}

struct msg *msg_new(struct sched *s, unsigned kind, const char *tag, anqa_pid from, anqa_ref ref)
{
    struct msg *msg = msg_alloc(s, 0);

    if (msg != NULL)
        msg_set(msg, kind, tag, from, ref);
    return msg;
}

/* What a message that must go out is, to people. */
static const char *signal_name(unsigned kind)
{
    switch (kind) {
    case ANQA_MSG_DOWN: return "a DOWN";
    case SIG_EXIT: return "an exit signal";
    case SIG_WAKE: return "a wake-up";
    case SIG_UNLINK: return "the end of a link";
    case SIG_DEMONITOR: return "the end of a monitor";
    default: return "a signal";
    }
}

static _Noreturn __attribute__((noinline)) void signal_lost(
    unsigned kind, anqa_pid from, anqa_pid to)
{
    char from_text[ANQA_PID_TEXT], to_text[ANQA_PID_TEXT];

    rt_fatal("out of memory: %s from %s to %s can not be sent, and the reserve of %u messages "
             "for such a case is used up; give the program more memory, or bound what it holds: "
             "options max_processes and heap_quota, mailbox_limit of processes",
        signal_name(kind), anqa_pid_text(from, from_text), anqa_pid_text(to, to_text),
        BLOCK_RESERVE);
}

static_assert(
    sizeof(struct msg) <= BLOCK_RESERVE_SIZE, "a signal fits into a block of the reserve");

/* Without memory: who is to hear of it would wait for ever. */
static __attribute__((noinline)) struct msg *msg_reserved(struct sched *s)
{
    struct msg *msg = block_take_reserved(&s->blocks);

    if (msg == NULL)
        return NULL;
    COUNT_ADD(s, messages, 1);
    msg->pub.class_ = (uint8_t)block_class(BLOCK_RESERVE_SIZE);
    return msg;
}

struct msg *msg_signal(
    struct sched *s, unsigned kind, const char *tag, anqa_pid from, anqa_pid to, anqa_ref ref)
{
    struct msg *msg = msg_alloc(s, 0);

    if (__builtin_expect(msg == NULL, 0))
        msg = msg_reserved(s);
    if (__builtin_expect(msg == NULL, 0))
        signal_lost(kind, from, to);
    msg_set(msg, kind, tag, from, ref);
    return msg;
}

/* Too long to lie in the message: it becomes a buf that only this message counts. */
static anqa_status msg_long(struct msg *msg, const anqa_payload *payload)
{
    anqa_buf buf;
    char *bytes;
    anqa_status status = anqa_buf_new(payload->len + 1, &buf, &bytes);

    if (status != ANQA_OK)
        return status;
    memcpy(bytes, payload->ptr, payload->len);
    bytes[payload->len] = '\0';
    msg->pub.body = (anqa_json){buf.ptr, payload->len};
    msg->pub.u.block = buf.block;
    return ANQA_OK;
}

static anqa_status msg_fill(struct msg *msg, const anqa_payload *payload)
{
    msg->pub.payload = (uint8_t)payload->kind;
    switch (payload->kind) {
    case ANQA_PAYLOAD_NONE: return ANQA_OK;
    case ANQA_PAYLOAD_BYTES:
    case ANQA_PAYLOAD_JSON:
        if (payload->len > MSG_INLINE_MAX)
            return msg_long(msg, payload);
        if (payload->len > 0)
            memcpy(msg->bytes, payload->ptr, payload->len);
        msg->bytes[payload->len] = '\0';
        msg->pub.body = (anqa_json){msg->bytes, payload->len};
        return ANQA_OK;
    case ANQA_PAYLOAD_BUF:
        anqa_buf_ref((anqa_buf){payload->u.block, payload->ptr, payload->len});
        msg->pub.u.block = payload->u.block;
        break;
    case ANQA_PAYLOAD_OBJECT: msg->pub.u.type = payload->u.type; break;
    default: return ANQA_E_INVALID;
    }
    msg->pub.body = (anqa_json){payload->ptr, payload->len};
    return ANQA_OK;
}

/* Each page: what lies between two that are there may still be none. */
void msg_probe(const void *bytes, size_t len)
{
    enum { PAGE = 4096 };
    const volatile char *at = bytes;

    for (size_t i = 0; i < len; i += PAGE)
        (void)at[i];
    if (len > 0)
        (void)at[len - 1];
}

anqa_status msg_make(struct sched *s, unsigned kind, const char *tag, anqa_pid from, anqa_ref ref,
    const anqa_payload *payload, struct msg **ret_msg)
{
    bool copied = payload->kind == ANQA_PAYLOAD_BYTES || payload->kind == ANQA_PAYLOAD_JSON;
    struct msg *msg;
    anqa_status status;

    if (payload->len > MSG_PAYLOAD_MAX)
        return ANQA_E_LIMIT;
    if (tag ==
        NULL) /* no more tags can be interned: not the receiver's fault, who would compare it */
        return ANQA_E_INVALID;
    if (copied)
        msg_probe(payload->ptr, payload->len);
    msg = msg_alloc(s, copied && payload->len <= MSG_INLINE_MAX ? payload->len + 1 : 0);
    if (msg == NULL)
        return ANQA_E_NOMEM;
    msg_set(msg, kind, tag, from, ref);
    status = msg_fill(msg, payload);
    if (status != ANQA_OK) {
        msg->pub.payload = ANQA_PAYLOAD_NONE;
        msg_drop(s, msg);
        return status;
    }
    *ret_msg = msg;
    return ANQA_OK;
}

static void msg_release(struct sched *s, struct msg *msg)
{
    COUNT_ADD(s, messages, -1);
    block_put(&s->blocks, msg->pub.class_, msg);
}

/* Somewhere in the midst of the runtime: `drop` may not fail, and a fault or exit in it ends the server. */
static void msg_drop_object(struct sched *s, struct msg *msg)
{
    void *object = (void *)(uintptr_t)msg->pub.body.ptr;
    const anqa_type *type = msg->pub.u.type;

    msg_release(s, msg);
    s->dropping++;
    s->act.section++;
    if (object != NULL && type->drop != NULL)
        type->drop(object);
    else
        free(object);
    s->act.section--;
    s->dropping--;
}

static __attribute__((noinline)) void msg_drop_shared(struct sched *s, struct msg *msg)
{
    const anqa_msg *pub = &msg->pub;

    if (pub->payload == ANQA_PAYLOAD_OBJECT) {
        msg_drop_object(s, msg);
        return;
    }
    if (pub->kind == ANQA_MSG_DOWN || pub->kind == ANQA_MSG_EXIT || pub->kind == SIG_EXIT)
        anqa_reason_unref(pub->u.reason);
    else if (pub->payload != ANQA_PAYLOAD_NONE)
        anqa_buf_unref((anqa_buf){pub->u.block, pub->body.ptr, pub->body.len});
    msg_release(s, msg);
}

void msg_drop(struct sched *s, struct msg *msg)
{
    if (msg == NULL)
        return;
    if (msg->pub.u.block != NULL) /* or a reason, or a type: they share their place */
        msg_drop_shared(s, msg);
    else
        msg_release(s, msg);
}

size_t msg_size(const struct msg *msg)
{
    const anqa_msg *pub = &msg->pub;
    bool is_shared = pub->payload != ANQA_PAYLOAD_NONE && pub->payload != ANQA_PAYLOAD_OBJECT &&
                     pub->u.block != NULL;

    return block_class_size(pub->class_) + (is_shared ? pub->body.len : 0);
}

void *anqa_msg_take(const anqa_msg *msg, const anqa_type *type)
{
    anqa_msg *own = &MSG_OF(msg)->pub;
    void *object;

    if (msg->payload != ANQA_PAYLOAD_OBJECT || msg->u.type != type)
        return NULL;
    object = (void *)(uintptr_t)own->body.ptr;
    own->body = (anqa_json){NULL, 0};
    own->payload = ANQA_PAYLOAD_NONE;
    return object;
}

const char *msg_kind_name(uint8_t kind)
{
    static const char *const names[] = {[ANQA_MSG_PLAIN] = "message",
        [ANQA_MSG_CALL] = "call",
        [ANQA_MSG_CAST] = "cast",
        [ANQA_MSG_REPLY] = "reply",
        [ANQA_MSG_DOWN] = "down",
        [ANQA_MSG_EXIT] = "exit",
        [ANQA_MSG_TIMEOUT] = "timeout",
        [ANQA_MSG_SYSTEM] = "system"};

    return kind < ANQA_COUNT(names) ? names[kind] : "unknown";
}
