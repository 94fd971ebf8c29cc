/*
 * Any bytes as a broadcast of another node. What must hold: what is accepted reaches a subscriber of its topic as it lies in
 * the bytes; what is refused reaches nobody.
 */
#include "pubsub/pubsub.h"

#include "fuzz/process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char topic[ANQA_TOPIC_MAX];
static size_t topic_len;

static void ear_run(void *state)
{
    anqa_pid boss = *(anqa_pid *)state;
    anqa_broadcast_view view;
    const anqa_msg *msg;

    fuzz_require(anqa_subscribe(anqa_str_make(topic, topic_len)) == ANQA_OK);
    (void)anqa_send(boss, "ready", anqa_nothing());
    msg = anqa_receive(ANQA_INFINITY);
    if (!anqa_broadcast_of(msg, &view))
        return;
    fuzz_require(anqa_str_eq(view.topic, anqa_str_make(topic, topic_len)));
    fuzz_require(anqa_pid_is_none(view.from) && view.event.len > 0);
    fuzz_require(anqa_json_check(anqa_json_text(view.payload),
                     &(anqa_json_limits){.max_depth = ANQA_JSON_MAX_DEPTH}, NULL) == ANQA_OK);
    (void)anqa_send(boss, "heard", anqa_nothing());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    anqa_pid self;
    anqa_status status;
    anqa_pid pid;
    anqa_ref ref;

    fuzz_begin();
    topic_len = size > 9 && data[1] != 0 && (size_t)data[1] + 8 <= size ? data[1] : 1;
    memcpy(topic, size > 9 ? data + 8 : (const uint8_t *)"x", topic_len);
    self = anqa_self();
    fuzz_require(anqa_spawn(
                     &(anqa_spawn_opts){
                         .run = ear_run, .arg = &self, .arg_size = sizeof self, .monitor = true},
                     &pid, &ref) == ANQA_OK);
    fuzz_require(anqa_tag_is(anqa_receive(ANQA_INFINITY)->tag, "ready"));
    status = anqa_pubsub_receive(anqa_str_make((const char *)data, size), NULL);
    if (status == ANQA_OK)
        fuzz_require(anqa_tag_is(anqa_receive(ANQA_INFINITY)->tag, "heard"));
    else
        (void)anqa_send(pid, "quit", anqa_nothing());
    fuzz_require(anqa_receive_ref(ref, ANQA_INFINITY) != NULL);
    fuzz_event_over();
    return 0;
}
