/* Shared tables: who may do what, names, heirs, and what becomes of a table when its owner ends. */
#include "table_support.h"

#include "otp/shared_rows.h"

/* A process that does what it is told, as the owner of tables. */
struct order {
    void (*fn)(void *arg);
    void *arg;
};

static void obey(void *state)
{
    for (;;) {
        const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
        struct order order;
        if (msg->kind != ANQA_MSG_CALL)
            continue;
        memcpy(&order, msg->body.ptr, sizeof order);
        order.fn(order.arg);
        const anqa_caller caller = anqa_msg_caller(msg);
        anqa_reply_to(&caller, anqa_nothing());
    }
}

static anqa_pid servant(void)
{
    anqa_pid pid;

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = obey}, &pid, NULL), ANQA_OK);
    return pid;
}

static void have(anqa_pid pid, void (*fn)(void *arg), void *arg)
{
    struct order order = {fn, arg};
    const anqa_msg *msg = anqa_receive_ref(
        anqa_request(pid, "do", anqa_bytes(&order, sizeof order)), HARNESS_LONG_MS);

    CHECK(msg != NULL && msg->kind == ANQA_MSG_REPLY);
}

/* ---------------------------------------------------------------- access */

struct attempt {
    anqa_table table;
    anqa_status read, write, free;
};

static void attempt_all(void *arg)
{
    struct attempt *attempt = arg;
    struct pair pair = {1, 1}, found;

    attempt->read = anqa_table_lookup(attempt->table, text("k"), &found);
    attempt->write = anqa_table_insert(attempt->table, text("k"), &pair);
    attempt->free = anqa_table_free(attempt->table);
}

/* What comes of it when another than the owner reads, writes and frees. */
static void check_access(anqa_table_access access, anqa_status read, anqa_status write)
{
    anqa_rt *rt = begin();
    anqa_table table = table_made(PAIRS(.access = access));
    struct attempt attempt = {.table = table};

    put_pair(table, text("k"), 7, 7);
    CHECK_EQ(outcome_of(attempt_all, &attempt, NULL, 0), ANQA_REASON_NORMAL);
    CHECK_STATUS(attempt.read, read);
    CHECK_STATUS(attempt.write, write);
    CHECK_STATUS(attempt.free, ANQA_E_PERMISSION);
    CHECK_EQ(pair_at(table, text("k")).a, write == ANQA_OK ? 1 : 7);
    end(rt);
}

TEST(a_protected_table_is_read_by_all_and_written_by_its_owner)
{
    check_access(ANQA_TABLE_PROTECTED, ANQA_OK, ANQA_E_PERMISSION);
}

TEST(a_public_table_is_written_by_all_and_freed_by_its_owner)
{
    check_access(ANQA_TABLE_PUBLIC, ANQA_OK, ANQA_OK);
}

TEST(a_private_table_is_its_owners)
{
    check_access(ANQA_TABLE_PRIVATE, ANQA_E_PERMISSION, ANQA_E_PERMISSION);
}

TEST(what_is_no_table_is_closed)
{
    static const uint64_t wild[] = {0, 1, UINT32_MAX, UINT64_MAX, ANQA_TABLES_MAX + 1};
    anqa_rt *rt = begin();
    anqa_table freed = table_made(PAIRS(0));
    struct pair pair = {0, 0};

    CHECK_STATUS(anqa_table_free(freed), ANQA_OK);
    CHECK_STATUS(anqa_table_free(freed), ANQA_E_CLOSED);
    CHECK_STATUS(anqa_table_insert(freed, text("k"), &pair), ANQA_E_CLOSED);
    CHECK(!anqa_table_member(freed, text("k")));
    CHECK(table_made(PAIRS(0)).bits != freed.bits);
    for (size_t i = 0; i < ANQA_COUNT(wild); i++)
        CHECK_STATUS(
            anqa_table_lookup((anqa_table){wild[i]}, text("k"), &pair), ANQA_E_CLOSED, "%zu", i);
    end(rt);
}

/* ---------------------------------------------------------------- names */

TEST(a_named_table_is_found_by_its_name_and_no_other_gets_that)
{
    anqa_rt *rt = begin();
    anqa_table_spec spec = PAIRS(.named = true);
    anqa_table table = table_made(spec), other;

    CHECK_EQ(anqa_table_whereis("pairs").bits, table.bits);
    CHECK_STATUS(anqa_table_new(&spec, &other), ANQA_E_EXISTS);
    CHECK_EQ(anqa_table_whereis("pairs").bits, table.bits);
    CHECK_STATUS(anqa_table_free(table), ANQA_OK);
    CHECK(anqa_table_is_none(anqa_table_whereis("pairs")));
    CHECK_EQ(anqa_table_whereis("pairs").bits, 0);
    (void)table_made(spec);
    end(rt);
}

TEST(tables_that_are_not_named_may_be_called_the_same)
{
    anqa_rt *rt = begin();
    anqa_table one = table_made(PAIRS(0)), two = table_made(PAIRS(0));

    CHECK(one.bits != two.bits);
    CHECK(anqa_table_is_none(anqa_table_whereis("pairs")));
    CHECK_STR(info_of(one).name, "pairs");
    end(rt);
}

TEST(a_table_gets_another_name)
{
    anqa_rt *rt = begin();
    anqa_table table = table_made(PAIRS(.named = true)), other = table_made(TEXTS(.named = true));

    CHECK_STATUS(anqa_table_rename(table, "texts"), ANQA_E_EXISTS);
    CHECK_STATUS(anqa_table_rename(table, ""), ANQA_E_INVALID);
    CHECK_EQ(anqa_table_whereis("pairs").bits, table.bits);
    CHECK_STATUS(anqa_table_rename(table, "couples"), ANQA_OK);
    CHECK_EQ(anqa_table_whereis("couples").bits, table.bits);
    CHECK(anqa_table_is_none(anqa_table_whereis("pairs")));
    CHECK_STR(info_of(table).name, "couples");
    CHECK_EQ(anqa_table_whereis("texts").bits, other.bits);
    end(rt);
}

TEST(a_name_has_from_1_to_255_bytes)
{
    anqa_rt *rt = begin();
    char name[257];
    anqa_table_spec spec = {.name = name};
    anqa_table table;

    memset(name, 'n', sizeof name);
    name[256] = '\0';
    CHECK_STATUS(anqa_table_new(&spec, &table), ANQA_E_INVALID);
    name[255] = '\0';
    CHECK_STATUS(anqa_table_new(&spec, &table), ANQA_OK);
    CHECK_EQ(info_of(table).name.len, 255);
    name[0] = '\0';
    CHECK_STATUS(anqa_table_new(&spec, &table), ANQA_E_INVALID);
    CHECK_STATUS(anqa_table_new(&(anqa_table_spec){0}, &table), ANQA_E_INVALID);
    end(rt);
}

TEST(all_tables_are_listed_with_what_there_is_to_know)
{
    anqa_rt *rt = begin();
    anqa_table pairs = table_made(PAIRS(.max_rows = 7)),
               texts = table_made(TEXTS(.type = ANQA_TABLE_BAG, .access = ANQA_TABLE_PRIVATE));
    anqa_table *tables;
    size_t count;

    anqa_table_all(&tables, &count);
    CHECK_EQ(count, 2);
    CHECK_EQ(tables[0].bits + tables[1].bits, pairs.bits + texts.bits);
    CHECK_EQ(info_of(pairs).max_rows, 7);
    CHECK_EQ(info_of(pairs).row_size, sizeof(struct pair));
    CHECK(anqa_pid_eq(info_of(texts).owner, anqa_self()));
    CHECK(anqa_pid_is_none(info_of(texts).heir));
    CHECK_EQ(info_of(texts).type, ANQA_TABLE_BAG);
    CHECK_EQ(info_of(texts).access, ANQA_TABLE_PRIVATE);
    CHECK_STATUS(anqa_table_free(pairs), ANQA_OK);
    anqa_table_all(&tables, &count);
    CHECK_EQ(count, 1);
    CHECK_EQ(tables[0].bits, texts.bits);
    end(rt);
}

TEST(there_are_at_most_65536_tables)
{
    anqa_rt *rt = begin();
    anqa_table table = {0}, first = table_made(PAIRS(0));
    anqa_table_spec spec = PAIRS(0);

    for (unsigned i = 1; i < ANQA_TABLES_MAX; i++)
        CHECK_STATUS(anqa_table_new(&spec, &table), ANQA_OK, "%u", i);
    CHECK_STATUS(anqa_table_new(&spec, &table), ANQA_E_LIMIT);
    CHECK_STATUS(anqa_table_free(first), ANQA_OK);
    CHECK_STATUS(anqa_table_new(&spec, &table), ANQA_OK);
    CHECK(table.bits != first.bits);
    end(rt);
}

/* ---------------------------------------------------------------- the end of the owner */

static void make_here(void *arg)
{
    *(anqa_table *)arg = table_made(PAIRS(.named = true));
    put_pair(*(anqa_table *)arg, text("k"), 1, 2);
}

TEST(a_table_ends_with_its_owner_before_anybody_hears_of_that)
{
    anqa_rt *rt = begin();
    struct pair pair;

    for (int i = 0; i < 100; i++) {
        anqa_pid owner = servant();
        anqa_table table;
        have(owner, make_here, &table);
        CHECK_EQ(pair_at(table, text("k")).b, 2);
        kill_and_wait(owner);
        CHECK_STATUS(anqa_table_lookup(table, text("k"), &pair), ANQA_E_CLOSED, "%d", i);
        CHECK(anqa_table_is_none(anqa_table_whereis("pairs")));
    }
    end(rt);
}

TEST(the_tables_of_a_thread_end_when_it_detaches)
{
    anqa_rt *rt = begin();
    anqa_table table = table_made(PAIRS(.named = true));
    anqa_error err;

    put_pair(table, text("k"), 1, 2);
    anqa_detach();
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK);
    CHECK(anqa_table_is_none(anqa_table_whereis("pairs")));
    end(rt);
}

static void fill_and_die_inside(void *arg)
{
    anqa_table table = table_made(PAIRS(0));

    for (int i = 0; i < 300; i++)
        put_pair(table, number(i), i, i);
    CHECK_STATUS(anqa_table_fold(table, NULL, arg, &table), ANQA_OK);
}

static bool die_at_100(const anqa_table_entry *entry, void *arg)
{
    if (entry->key.u.integer == 100)
        anqa_exit(ANQA_SHUTDOWN);
    CHECK_STATUS(anqa_table_delete(*(anqa_table *)arg, entry->key), ANQA_OK);
    return true;
}

TEST(an_owner_that_dies_in_the_midst_of_a_walk_leaves_nothing)
{
    anqa_rt *rt = begin();
    anqa_table *tables;
    size_t count;

    CHECK_EQ(outcome_of(fill_and_die_inside, (void *)(uintptr_t)die_at_100, NULL, 0),
        ANQA_REASON_SHUTDOWN);
    anqa_table_all(&tables, &count);
    CHECK_EQ(count, 0);
    end(rt);
}

/* ---------------------------------------------------------------- giving away */

struct gift {
    anqa_table table;
    anqa_pid to;
    const char *data;
    anqa_status status;
};

static void give(void *arg)
{
    struct gift *gift = arg;

    gift->status = anqa_table_give_away(gift->table, gift->to, anqa_str_of(gift->data));
}

static anqa_table_gift gift_come(void)
{
    anqa_table_gift gift;

    CHECK(anqa_table_transfer(expect("ETS-TRANSFER"), &gift));
    return gift;
}

static bool is_closed(void *arg)
{
    struct pair pair;

    return anqa_table_lookup(*(anqa_table *)arg, text("k"), &pair) == ANQA_E_CLOSED;
}

TEST(a_table_that_is_given_away_belongs_to_the_new_owner_who_is_told)
{
    anqa_rt *rt = begin();
    anqa_pid owner = servant();
    struct gift gift = {.to = anqa_self(), .data = "here you are"};
    anqa_table_gift got;

    have(owner, make_here, &gift.table);
    have(owner, give, &gift);
    CHECK_STATUS(gift.status, ANQA_OK);
    got = gift_come();
    CHECK_EQ(got.table.bits, gift.table.bits);
    CHECK(anqa_pid_eq(got.from, owner));
    CHECK_STR(got.data, "here you are");
    put_pair(got.table, text("k"), 3, 4);
    have(owner, give, &gift);
    CHECK_STATUS(gift.status, ANQA_E_PERMISSION);
    kill_and_wait(owner);
    CHECK_EQ(pair_at(got.table, text("k")).a, 3);
    CHECK_STATUS(anqa_table_free(got.table), ANQA_OK);
    end(rt);
}

TEST(a_table_that_was_given_away_ends_with_its_new_owner)
{
    anqa_rt *rt = begin();
    anqa_pid owner = servant();
    anqa_table table = table_made(PAIRS(0));

    CHECK_STATUS(anqa_table_give_away(table, owner, anqa_str_of("")), ANQA_OK);
    CHECK(anqa_pid_eq(info_of(table).owner, owner));
    kill_and_wait(owner);
    CHECK(soon(is_closed, &table));
    end(rt);
}

TEST(a_table_goes_through_many_hands)
{
    anqa_rt *rt = begin();
    anqa_pid hands[5];
    anqa_table table = table_made(PAIRS(0));

    put_pair(table, text("k"), 1, 2);
    for (size_t i = 0; i < ANQA_COUNT(hands); i++) {
        struct gift back = {.table = table, .to = anqa_self(), .data = ""};
        hands[i] = servant();
        CHECK_STATUS(anqa_table_give_away(table, hands[i], anqa_str_of("")), ANQA_OK);
        have(hands[i], give, &back);
        CHECK_STATUS(back.status, ANQA_OK);
        CHECK(anqa_pid_eq(gift_come().from, hands[i]));
    }
    for (size_t i = 0; i < ANQA_COUNT(hands); i++)
        kill_and_wait(hands[i]);
    CHECK_EQ(pair_at(table, text("k")).b, 2);
    CHECK_STATUS(anqa_table_free(table), ANQA_OK);
    end(rt);
}

static bool we_are_alone(void *rt)
{
    anqa_rt_stats stats;

    anqa_rt_get_stats(rt, &stats);
    return stats.processes == 1;
}

TEST(no_process_is_left_of_a_table_that_was_given_away)
{
    anqa_rt *rt = begin();
    anqa_table table = table_made(PAIRS(0));
    anqa_pid owner = servant();
    struct gift back = {.table = table, .to = anqa_self(), .data = ""};

    CHECK_STATUS(anqa_table_give_away(table, owner, anqa_str_of("")), ANQA_OK);
    have(owner, give, &back);
    kill_and_wait(owner);
    CHECK_STATUS(anqa_table_free(table), ANQA_OK);
    CHECK(soon(we_are_alone, rt));
    end(rt);
}

TEST(a_table_that_cannot_be_given_away_stays)
{
    anqa_rt *rt = begin();
    anqa_table table = table_made(PAIRS(0));
    anqa_pid dead = servant();
    anqa_str long_data = {"", ANQA_TABLE_ROW_MAX + 1};

    kill_and_wait(dead);
    CHECK_STATUS(anqa_table_give_away(table, dead, anqa_str_of("")), ANQA_E_NOPROC);
    CHECK_STATUS(anqa_table_give_away(table, anqa_self(), anqa_str_of("")), ANQA_E_INVALID);
    CHECK_STATUS(anqa_table_give_away(table, dead, long_data), ANQA_E_LIMIT);
    CHECK_STATUS(anqa_table_set_heir(table, dead, long_data), ANQA_E_LIMIT);
    CHECK(anqa_pid_eq(info_of(table).owner, anqa_self()));
    put_pair(table, text("k"), 1, 2);
    end(rt);
}

/* ---------------------------------------------------------------- heirs */

static void name_heir(void *arg)
{
    struct gift *gift = arg;

    make_here(&gift->table);
    gift->status = anqa_table_set_heir(gift->table, gift->to, anqa_str_of(gift->data));
}

TEST(an_heir_gets_the_table_and_is_told_when_its_owner_ends)
{
    anqa_rt *rt = begin();
    anqa_pid owner = servant();
    struct gift gift = {.to = anqa_self(), .data = "legacy"};
    anqa_table_gift got;

    have(owner, name_heir, &gift);
    CHECK_STATUS(gift.status, ANQA_OK);
    CHECK(anqa_pid_eq(info_of(gift.table).heir, anqa_self()));
    kill_and_wait(owner);
    got = gift_come();
    CHECK_EQ(got.table.bits, gift.table.bits);
    CHECK(anqa_pid_eq(got.from, owner));
    CHECK_STR(got.data, "legacy");
    CHECK(anqa_pid_eq(info_of(got.table).owner, anqa_self()));
    CHECK_EQ(anqa_table_whereis("pairs").bits, got.table.bits);
    put_pair(got.table, text("k"), 5, 6);
    CHECK_STATUS(anqa_table_free(got.table), ANQA_OK);
    end(rt);
}

TEST(a_table_whose_heir_is_dead_ends_with_its_owner)
{
    anqa_rt *rt = begin();
    anqa_pid owner = servant(), heir = servant();
    struct gift gift = {.to = heir, .data = ""};

    have(owner, name_heir, &gift);
    kill_and_wait(heir);
    kill_and_wait(owner);
    CHECK(is_closed(&gift.table));
    end(rt);
}

TEST(a_table_that_was_inherited_ends_with_its_heir)
{
    anqa_rt *rt = begin();
    anqa_pid owner = servant(), heir = servant();
    struct gift gift = {.to = heir, .data = ""};

    have(owner, name_heir, &gift);
    kill_and_wait(owner);
    CHECK(anqa_pid_eq(info_of(gift.table).owner, heir));
    kill_and_wait(heir);
    CHECK(soon(is_closed, &gift.table));
    end(rt);
}

TEST(an_heir_is_taken_back)
{
    anqa_rt *rt = begin();
    anqa_pid owner = servant();
    struct gift gift = {.to = anqa_self(), .data = ""};

    have(owner, name_heir, &gift);
    gift.to = (anqa_pid){0};
    CHECK_STATUS(anqa_table_set_heir(gift.table, gift.to, anqa_str_of("")), ANQA_E_PERMISSION);
    kill_and_wait(owner);
    CHECK_EQ(gift_come().table.bits, gift.table.bits);
    CHECK_STATUS(anqa_table_set_heir(gift.table, gift.to, anqa_str_of("")), ANQA_OK);
    CHECK(anqa_pid_is_none(info_of(gift.table).heir));
    end(rt);
}

TEST(an_heir_whose_mailbox_is_full_inherits_nothing)
{
    anqa_rt *rt = begin();
    anqa_pid owner = servant();
    struct gift gift = {.to = anqa_self(), .data = ""};

    have(owner, name_heir, &gift);
    anqa_set_mailbox_limit(1, ANQA_OVERFLOW_REFUSE);
    CHECK_STATUS(anqa_send(anqa_self(), "fills it", anqa_nothing()), ANQA_OK);
    kill_and_wait(owner);
    CHECK(is_closed(&gift.table));
    end(rt);
}

TEST(a_message_that_is_no_transfer_is_not_read_as_one)
{
    anqa_rt *rt = begin();
    anqa_table_gift gift;

    report(anqa_self(), "hello", "a text that is as long as a transfer");
    CHECK(!anqa_table_transfer(expect("hello"), &gift));
    report(anqa_self(), "ETS-TRANSFER", "short");
    CHECK(!anqa_table_transfer(expect("ETS-TRANSFER"), &gift));
    end(rt);
}

/* ---------------------------------------------------------------- no memory */

static void give_to_a_child(void *state)
{
    anqa_table_spec spec = PAIRS(0);
    anqa_table table;
    anqa_pid child;
    anqa_status status;

    if (anqa_spawn(&(anqa_spawn_opts){.run = obey, .link = true}, &child, NULL) != ANQA_OK)
        return;
    status = anqa_table_new(&spec, &table);
    if (status == ANQA_OK)
        status = anqa_table_set_heir(table, child, anqa_str_of("data"));
    CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
    if (status == ANQA_OK) {
        status = anqa_table_give_away(table, child, anqa_str_of("data"));
        CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
        CHECK(anqa_pid_eq(info_of(table).owner, status == ANQA_OK ? child : anqa_self()));
    }
    anqa_exit(anqa_reason_of(ANQA_REASON_ERROR)); /* the child too, by the link */
}

TEST(without_memory_a_table_that_cannot_be_given_away_stays)
{
    live_without_memory(give_to_a_child);
}

/* ---------------------------------------------------------------- large tables */

/* Is asked for its first part in the same turn as the rows are. */
struct witness {
    struct retired retired;
    struct rows *rows;
    _Atomic(bool) asked, some_left;
};

static bool witness_ask(struct retired *retired)
{
    struct witness *witness = (struct witness *)(void *)retired;

    atomic_store(&witness->some_left,
        atomic_load_explicit(&witness->rows->first[0].next, memory_order_relaxed) != NULL);
    atomic_store(&witness->asked, true);
    return false;
}

static void retire_many_rows(void *arg)
{
    struct witness *witness = arg;
    anqa_rt *rt = anqa_rt_self();

    for (int64_t i = 0; i < 3 * (int64_t)ROWS_PER_PART; i++) {
        struct rows_at at;
        CHECK_STATUS(rows_at_key(witness->rows->ordered, number(i), &at), ANQA_OK);
        CHECK(rows_put(witness->rows, row_new(witness->rows, &at, anqa_str_of("row"))) == NULL);
    }
    rows_retire(rt, witness->rows);
    qsbr_retire(rt, &witness->retired);
}

static bool was_asked(void *arg)
{
    return atomic_load(&((struct witness *)arg)->asked);
}

TEST(no_scheduler_frees_all_rows_of_a_large_table_in_one_turn)
{
    anqa_rt *rt = begin();

    for (int ordered = 0; ordered < 2; ordered++) {
        struct witness witness = {
            .retired.free_some = witness_ask, .rows = rows_new(ordered != 0, true)};
        CHECK_EQ(outcome_of(retire_many_rows, &witness, NULL, 0), ANQA_REASON_NORMAL);
        CHECK(soon(was_asked, &witness));
        CHECK(atomic_load(&witness.some_left));
    }
    end(rt);
}

static void make_large(void *arg)
{
    anqa_table table = table_made(PAIRS(.named = true));

    for (int i = 0; i < 20000; i++)
        put_pair(table, number(i), i, i);
    *(anqa_table *)arg = table;
}

TEST(a_large_table_ends_with_its_owner_like_any_other)
{
    anqa_rt *rt = begin();
    anqa_pid owner = servant();
    anqa_table table;

    have(owner, make_large, &table);
    kill_and_wait(owner);
    CHECK(is_closed(&table));
    end(rt);
}
