/* Collections of requests: each rule by name. */
#include "support.h"

#include <stdio.h>
#include <string.h>

/* ---------------------------------------------------------------- who is asked */

/* Answers at once, when it is told to, or never. */
struct shop {
    anqa_caller later;
};

static anqa_next shop_price(void *state, anqa_msg *msg)
{
    return anqa_reply(msg->body);
}

static anqa_next shop_later(void *state, anqa_msg *msg)
{
    ((struct shop *)state)->later = anqa_msg_caller(msg);
    return anqa_noreply();
}

static anqa_next shop_crash(void *state, anqa_msg *msg)
{
    anqa_exit(anqa_error_reason("out of stock"));
}

static anqa_next shop_now(void *state, anqa_msg *msg)
{
    anqa_reply_to(&((struct shop *)state)->later, anqa_text(ANQA_JSON_LITERAL_("\"late\"")));
    return anqa_noreply();
}

static const anqa_gen_server shop_server = {.state_size = sizeof(struct shop),
    .handle_call = (const anqa_handler[]){{"price", shop_price}, {"later", shop_later},
        {"crash", shop_crash}, {0}},
    .handle_cast = (const anqa_handler[]){{"now", shop_now}, {0}}};

static anqa_pid shop_open(void)
{
    anqa_pid pid = {0};

    CHECK_STATUS(anqa_gen_server_start(&shop_server, NULL, NULL, &pid, NULL), ANQA_OK);
    return pid;
}

static anqa_ref ask(anqa_requests *requests, anqa_pid shop, const char *tag, uint64_t label)
{
    return anqa_requests_send(
        requests, shop, tag, anqa_text(anqa_jsonf("%u", (unsigned)label * 10)), label);
}

static anqa_until soon_enough(void)
{
    return anqa_within(HARNESS_LONG_MS);
}

static anqa_response next(anqa_requests *requests)
{
    anqa_response response = {0};

    CHECK_STATUS(
        anqa_requests_receive(requests, soon_enough(), ANQA_RESPONSE_DELETE, &response), ANQA_OK);
    return response;
}

/* ---------------------------------------------------------------- receiving */

TEST(answers_come_as_they_are_given_each_with_the_label_of_its_request)
{
    anqa_rt *rt = begin();
    anqa_pid shops[3] = {shop_open(), shop_open(), shop_open()};
    anqa_requests requests = {0};
    anqa_response response;

    for (uint32_t i = 0; i < 3; i++)
        (void)ask(&requests, shops[i], "later", i);
    for (uint32_t i = 3; i-- > 0;) {
        anqa_cast(shops[i], "now", NOTHING);
        response = next(&requests);
        CHECK_STATUS(response.status, ANQA_OK);
        CHECK_EQ(response.label, i);
        CHECK_EQ(response.from.bits, shops[i].bits);
        CHECK_STR(anqa_json_text(response.answer), "\"late\"");
        CHECK_EQ(anqa_requests_size(&requests), i);
    }
    anqa_requests_clear(&requests);
    end(rt);
}

static anqa_step clock_read(void *data, const anqa_statem_event *event)
{
    return anqa_and_reply(anqa_keep_state(), ANQA_JSON_LITERAL_("12"));
}

static const anqa_gen_statem clock_machine = ANQA_GEN_STATEM(char, .initial = "running",
    .rows = (const anqa_statem_row[]){{"running", ANQA_ON_CALL, "read", clock_read}, {0}});

static void answer_run(void *state)
{
    const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
    anqa_caller caller = anqa_msg_caller(msg);

    anqa_reply_to(&caller, anqa_bytes("by hand", 7));
}

TEST(whatever_answers_calls_can_be_asked)
{
    anqa_rt *rt = begin();
    anqa_requests requests = {0};
    anqa_pid machine = {0}, process = {0};
    unsigned seen = 0;

    CHECK_STATUS(anqa_gen_statem_start(&clock_machine, NULL, NULL, &machine, NULL), ANQA_OK);
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = answer_run}, &process, NULL), ANQA_OK);
    (void)anqa_requests_send(&requests, machine, "read", anqa_nothing(), machine.bits);
    (void)anqa_requests_send(&requests, process, "read", anqa_nothing(), process.bits);
    (void)anqa_requests_send(
        &requests, shop_open(), "price", anqa_text(ANQA_JSON_LITERAL_("7")), 1);
    for (int i = 0; i < 3; i++) {
        anqa_response response = next(&requests);
        CHECK_STATUS(response.status, ANQA_OK);
        CHECK_STR(anqa_json_text(response.answer), response.label == 1              ? "7"
                                                   : response.label == machine.bits ? "12"
                                                                                    : "by hand");
        seen |= response.label == 1 ? 1 : response.label == machine.bits ? 2 : 4;
    }
    CHECK_EQ(seen, 7);
    anqa_requests_clear(&requests);
    end(rt);
}

TEST(a_dead_server_is_an_error_that_tells_never_delivered_from_outcome_unknown)
{
    anqa_rt *rt = begin();
    anqa_pid dead = shop_open(), dying = shop_open();
    anqa_requests requests = {0};
    anqa_response response;

    kill_and_wait(dead);
    (void)ask(&requests, dead, "price", 1);
    response = next(&requests);
    CHECK_STATUS(response.status, ANQA_E_NOPROC);
    CHECK_EQ(response.label, 1);
    CHECK_EQ(response.from.bits, dead.bits);
    CHECK_EQ(anqa_reason_get_kind(response.reason), ANQA_REASON_NOPROC);

    (void)ask(&requests, dying, "later", 2); /* held when it dies */
    (void)ask(&requests, dying, "crash", 3); /* what it dies of */
    (void)ask(&requests, dying, "price", 4); /* never looked at */
    for (int i = 0; i < 3; i++) {
        response = next(&requests);
        CHECK_STATUS(response.status, response.label == 4 ? ANQA_E_NOPROC : ANQA_E_DIED, "%u",
            (unsigned)response.label);
        CHECK_EQ(response.from.bits, dying.bits);
    }
    CHECK_EQ(anqa_requests_size(&requests), 0);
    anqa_requests_clear(&requests);
    end(rt);
}

/* ---------------------------------------------------------------- time */

TEST(a_time_out_of_receive_abandons_the_requests_and_late_answers_vanish)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid quick = shop_open(), slow = shop_open();
    anqa_requests requests = {0};
    anqa_response response;

    (void)ask(&requests, quick, "price", 1);
    (void)ask(&requests, slow, "later", 2);
    CHECK_EQ(next(&requests).label, 1);
    CHECK_STATUS(
        anqa_requests_receive(&requests, anqa_within(100), ANQA_RESPONSE_DELETE, &response),
        ANQA_E_TIMEOUT);
    CHECK_EQ(anqa_requests_size(&requests), 0);
    CHECK_STATUS(
        anqa_requests_receive(&requests, anqa_within(100), ANQA_RESPONSE_DELETE, &response),
        ANQA_E_NOT_FOUND);
    anqa_cast(slow, "now", NOTHING);
    CHECK(anqa_receive(1000) == NULL);
    anqa_requests_clear(&requests);
    end(rt);
}

TEST(a_time_out_of_wait_leaves_the_requests_to_be_waited_for_again)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid slow = shop_open();
    anqa_requests requests = {0};
    anqa_response response;

    (void)ask(&requests, slow, "later", 2);
    CHECK_STATUS(anqa_requests_wait(&requests, anqa_within(100), ANQA_RESPONSE_DELETE, &response),
        ANQA_E_TIMEOUT);
    CHECK_EQ(anqa_requests_size(&requests), 1);
    anqa_cast(slow, "now", NOTHING);
    CHECK_STATUS(
        anqa_requests_wait(&requests, anqa_within(ANQA_INFINITY), ANQA_RESPONSE_DELETE, &response),
        ANQA_OK);
    CHECK_EQ(response.label, 2);
    CHECK_STATUS(
        anqa_requests_wait(&requests, anqa_within(ANQA_INFINITY), ANQA_RESPONSE_DELETE, &response),
        ANQA_E_NOT_FOUND, "nobody is left to wait for");
    anqa_requests_clear(&requests);
    end(rt);
}

TEST(one_deadline_bounds_many_waits_together)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid slow = shop_open();
    anqa_requests requests = {0};
    anqa_response response;
    anqa_until until = anqa_within(1000);
    uint64_t start_ms = anqa_now_ms();

    (void)ask(&requests, slow, "price", 1);
    (void)ask(&requests, slow, "later", 2);
    anqa_sleep(600);
    CHECK_STATUS(anqa_requests_wait(&requests, until, ANQA_RESPONSE_DELETE, &response), ANQA_OK);
    CHECK_STATUS(
        anqa_requests_wait(&requests, until, ANQA_RESPONSE_DELETE, &response), ANQA_E_TIMEOUT);
    CHECK_EQ(anqa_now_ms() - start_ms, 1000);
    CHECK_STATUS(anqa_requests_wait(&requests, (anqa_until){0}, ANQA_RESPONSE_DELETE, &response),
        ANQA_E_TIMEOUT, "a zeroed one only looks");
    CHECK_EQ(anqa_now_ms() - start_ms, 1000);
    anqa_requests_clear(&requests);
    end(rt);
}

/* ---------------------------------------------------------------- what is in it */

TEST(a_kept_request_stays_in_the_list_as_answered_and_is_not_waited_for)
{
    anqa_rt *rt = begin();
    anqa_pid shop = shop_open();
    anqa_requests requests = {0};
    anqa_request_info *infos;
    anqa_response response;
    anqa_ref refs[3];
    size_t count;

    anqa_requests_list(&requests, &infos, &count);
    CHECK_EQ(count, 0);
    for (uint32_t i = 0; i < 3; i++)
        refs[i] = ask(&requests, shop, i == 1 ? "later" : "price", i);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_STATUS(anqa_requests_receive(&requests, soon_enough(), ANQA_RESPONSE_KEEP, &response),
            ANQA_OK);
        CHECK_EQ(response.request.bits, refs[2 * i].bits);
    }
    anqa_requests_list(&requests, &infos, &count);
    CHECK_EQ(count, 3);
    CHECK_EQ(anqa_requests_size(&requests), 3);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(infos[i].request.bits, refs[i].bits);
        CHECK_EQ(infos[i].label, i);
        CHECK_EQ(infos[i].answered, i != 1);
    }
    anqa_cast(shop, "now", NOTHING);
    CHECK_EQ(next(&requests).label, 1);
    CHECK_STATUS(
        anqa_requests_receive(&requests, anqa_within(ANQA_INFINITY), ANQA_RESPONSE_KEEP, &response),
        ANQA_E_NOT_FOUND);
    CHECK_EQ(anqa_requests_size(&requests), 2);
    anqa_requests_clear(&requests);
    end(rt);
}

static bool is_reply(const anqa_msg *msg, void *arg)
{
    return msg->kind == ANQA_MSG_REPLY;
}

TEST(a_request_can_be_added_once_also_when_its_answer_is_there_already)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid shop = shop_open();
    anqa_requests requests = {0};
    anqa_response response;
    anqa_ref ref = anqa_request(shop, "price", anqa_text(ANQA_JSON_LITERAL_("5")));

    (void)ask(&requests, shop, "later", 1);
    anqa_sleep(1);
    CHECK_STATUS(anqa_requests_wait(&requests, (anqa_until){0}, ANQA_RESPONSE_DELETE, &response),
        ANQA_E_TIMEOUT, "the answer of another request has been passed over");
    CHECK_STATUS(anqa_requests_add(&requests, ref, 9), ANQA_OK);
    CHECK_STATUS(anqa_requests_add(&requests, ref, 9), ANQA_E_EXISTS);
    CHECK_EQ(next(&requests).label, 9);
    CHECK(anqa_receive_if(is_reply, NULL, 0) == NULL);
    anqa_requests_clear(&requests);
    end(rt);
}

TEST(clearing_a_collection_leaves_nothing_that_could_still_come)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid shop = shop_open();
    anqa_requests requests = {0};

    (void)ask(&requests, shop, "price", 1);
    anqa_sleep(1); /* this answer waits in the mailbox */
    (void)ask(&requests, shop, "later", 2);
    anqa_requests_clear(&requests);
    CHECK_EQ(anqa_requests_size(&requests), 0);
    anqa_cast(shop, "now", NOTHING);
    CHECK(anqa_receive(100) == NULL);
    (void)ask(&requests, shop, "price", 3);
    CHECK_EQ(next(&requests).label, 3);
    anqa_requests_clear(&requests);
    end(rt);
}

/* ---------------------------------------------------------------- in a server */

/* Asks when it is called, and hears of the answer between its other messages. */
struct buyer {
    anqa_requests requests;
    anqa_caller customer;
};

static anqa_next buyer_buy(void *state, anqa_msg *msg)
{
    struct buyer *buyer = state;
    anqa_pid shop;

    memcpy(&shop, msg->body.ptr, sizeof shop);
    buyer->customer = anqa_msg_caller(msg);
    (void)ask(&buyer->requests, shop, "price", 4);
    return anqa_noreply();
}

static anqa_next buyer_info(void *state, anqa_msg *msg)
{
    struct buyer *buyer = state;
    anqa_response response;

    if (anqa_requests_check(&buyer->requests, msg, ANQA_RESPONSE_DELETE, &response) != ANQA_OK)
        report(buyer->customer.pid, "other", msg->tag);
    else
        anqa_reply_to(&buyer->customer, anqa_text(response.answer));
    return anqa_noreply();
}

static const anqa_gen_server buyer_server = {.state_size = sizeof(struct buyer),
    .handle_call = (const anqa_handler[]){{"buy", buyer_buy}, {0}},
    .handle_any_info = buyer_info};

TEST(a_server_finds_responses_among_its_messages)
{
    anqa_rt *rt = begin();
    anqa_pid buyer = {0}, shop = shop_open();
    const anqa_msg *answer;

    CHECK_STATUS(anqa_gen_server_start(&buyer_server, NULL, NULL, &buyer, NULL), ANQA_OK);
    answer = anqa_call_payload(buyer, "buy", anqa_bytes(&shop, sizeof shop), ANQA_INFINITY);
    CHECK_STR(anqa_json_text(answer->body), "40");
    report(buyer, "hello", "");
    CHECK_STR(expect_text("other"), "hello");
    end(rt);
}

/* ---------------------------------------------------------------- many */

enum { MANY = 10000 };

TEST(ten_thousand_requests_are_answered_behind_ten_thousand_other_messages)
{
    anqa_rt *rt = begin();
    anqa_pid shop = shop_open();
    anqa_requests requests = {0};
    bool seen[MANY] = {0};

    for (uint32_t i = 0; i < MANY; i++)
        report(anqa_self(), "other", "");
    for (uint32_t i = 0; i < MANY; i++)
        (void)ask(&requests, shop, "price", i);
    CHECK_EQ(anqa_requests_size(&requests), MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        anqa_response response = next(&requests);
        CHECK_STATUS(response.status, ANQA_OK);
        CHECK(!seen[response.label]);
        seen[response.label] = true;
        anqa_msg_free(response.msg);
    }
    CHECK_EQ(anqa_requests_size(&requests), 0);
    anqa_requests_clear(&requests);
    end(rt);
}

static void ask_without_memory(void *arg)
{
    anqa_requests requests = {0};
    anqa_response response;
    anqa_pid shop;
    int answers = 0;

    if (anqa_gen_server_start_link(&shop_server, NULL, NULL, &shop, NULL) != ANQA_OK)
        return;
    for (uint32_t i = 0; i < 100; i++)
        (void)ask(&requests, shop, "price", i);
    while (anqa_requests_receive(&requests, anqa_within(1000), ANQA_RESPONSE_DELETE, &response) ==
           ANQA_OK)
        answers++;
    CHECK_EQ(answers, 100);
    anqa_exit(ANQA_SHUTDOWN);
}

TEST(without_memory_who_asks_ends_and_leaves_nothing)
{
    live_without_memory(ask_without_memory);
}
