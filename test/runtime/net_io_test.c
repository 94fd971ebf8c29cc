/* Reading and writing: deadlines, ends, resets, pieces, and a library that waits. */
#include "net_fixture.h"

#include <errno.h>
#include <sys/socket.h>

#include <anqa/memory.h>

/* ---------------------------------------------------------------- reading */

static void check_deadlines(void *arg)
{
    anqa_tcp a, b;
    char buf[8];
    size_t n = 77, got;
    uint64_t start_us;

    tcp_pair(&a, &b);
    CHECK_STATUS(anqa_read(a, buf, sizeof buf, 0, &n), ANQA_E_TIMEOUT);
    start_us = rt_clock_us();
    CHECK_STATUS(anqa_read(a, buf, sizeof buf, 30, &n), ANQA_E_TIMEOUT);
    CHECK(rt_clock_us() - start_us >= 25000);
    CHECK_EQ(n, 77, "written on success only");
    must_write(b, "ab", 2);
    CHECK_STATUS(anqa_read_full(a, buf, 3, 20, &got), ANQA_E_TIMEOUT);
    CHECK_EQ(got, 2);
    must_write(b, "c", 1);
    CHECK_STATUS(anqa_read(a, buf, sizeof buf, RT_LONG_MS, &n), ANQA_OK);
    CHECK_EQ(n, 1);
    CHECK_EQ(buf[0], 'c');
    CHECK_STATUS(anqa_read(a, buf, 0, 0, &n), ANQA_OK);
    CHECK_EQ(n, 0);
    CHECK_STATUS(anqa_close(b), ANQA_OK);
    CHECK_STATUS(anqa_read_full(a, buf, 1, RT_LONG_MS, &got), ANQA_E_CLOSED);
    CHECK_EQ(got, 0);
    CHECK_STATUS(anqa_close(a), ANQA_OK);
}

TEST(a_read_ends_with_its_deadline_and_can_be_made_again)
{
    anqa_rt *rt = rt_open(1);

    check_deadlines(NULL);
    CHECK(rt_have(rt_puppet(NULL), check_deadlines, NULL));
    rt_close(rt);
}

static void check_half_close(void *arg)
{
    anqa_tcp a, b;

    tcp_pair(&a, &b);
    must_write(a, "question", 8);
    CHECK_STATUS(anqa_shutdown(a, ANQA_SHUT_WRITE), ANQA_OK);
    CHECK_STATUS(anqa_write(a, "x", 1, 0, NULL), ANQA_E_CLOSED);
    must_read(b, "question");
    must_end(b);
    must_write(b, "answer", 6); /* the other direction is open */
    must_read(a, "answer");
    CHECK_STATUS(anqa_shutdown(b, ANQA_SHUT_READ), ANQA_OK);
    must_end(b);
    CHECK_STATUS(anqa_shutdown(b, (anqa_direction)7), ANQA_E_INVALID);
    CHECK_STATUS(anqa_close(a), ANQA_OK);
    CHECK_STATUS(anqa_close(b), ANQA_OK);
}

TEST(one_direction_can_be_ended)
{
    anqa_rt *rt = rt_open(1);

    check_half_close(NULL);
    CHECK(rt_have(rt_puppet(NULL), check_half_close, NULL));
    rt_close(rt);
}

/* Data and the end of the stream arrive together, before and after the reader waits: a short read may not hide
 * the end. */
static void check_last_words(void *arg)
{
    for (int i = 0; i < 20; i++) {
        anqa_tcp a, b;
        char buf[64];
        size_t n;
        tcp_pair(&a, &b);
        CHECK_STATUS(anqa_read(a, buf, sizeof buf, i % 4 == 0 ? 0 : 1, &n),
            ANQA_E_TIMEOUT); /* watched from now on */
        must_write(b, "last", 4);
        if (i % 2 == 0)
            CHECK_STATUS(anqa_close(b), ANQA_OK);
        CHECK_STATUS(anqa_read(a, buf, sizeof buf, RT_LONG_MS, &n), ANQA_OK);
        CHECK_EQ(n, 4);
        if (i % 2 != 0)
            CHECK_STATUS(anqa_close(b), ANQA_OK);
        if (i % 3 == 0)
            anqa_yield();
        must_end(a);
        must_end(a); /* and again */
        CHECK_STATUS(anqa_close(a), ANQA_OK);
    }
}

TEST(the_end_behind_a_short_read_is_seen)
{
    anqa_rt *rt = rt_open(1);

    CHECK(rt_have(rt_puppet(NULL), check_last_words, NULL));
    rt_close(rt);
}

/* Urgent data breaks the stream in two: a read ends before it although there is more. */
static void check_urgent(void *arg)
{
    for (int i = 0; i < 20; i++) {
        anqa_tcp a, b;
        char buf[64];
        size_t n;
        tcp_pair(&a, &b);
        CHECK_STATUS(anqa_read(a, buf, sizeof buf, 1, &n), ANQA_E_TIMEOUT);
        must_write(b, "before", 6);
        CHECK_EQ(send(anqa_tcp_fd(b), "!", 1, MSG_OOB), 1);
        must_write(b, "after", 5);
        CHECK_STATUS(anqa_read(a, buf, sizeof buf, RT_LONG_MS, &n), ANQA_OK); /* up to the mark */
        if (n == 6)
            must_read(a, "after");
        CHECK(n == 6 || n == 11, "%zu", n);
        CHECK_STATUS(anqa_close(a), ANQA_OK);
        CHECK_STATUS(anqa_close(b), ANQA_OK);
    }
}

TEST(urgent_data_does_not_stall_a_reader)
{
    anqa_rt *rt = rt_open(1);

    CHECK(rt_have(rt_puppet(NULL), check_urgent, NULL));
    rt_close(rt);
}

static void check_reset(void *arg)
{
    anqa_tcp a, b;
    char byte, text[ANQA_ADDRESS_TEXT];
    size_t n;

    tcp_pair(&a, &b);
    CHECK_STATUS(anqa_read(a, &byte, 1, 1, &n), ANQA_E_TIMEOUT);
    CHECK_STATUS(anqa_tcp_reset(b), ANQA_OK);
    CHECK_STATUS(anqa_read(a, &byte, 1, RT_LONG_MS, &n), ANQA_E_IO); /* not the end of the stream */
    CHECK_STATUS(anqa_write(a, "x", 1, RT_LONG_MS, NULL), ANQA_E_CLOSED); /* and no SIGPIPE */
    CHECK_STATUS(anqa_tcp_peer(a, text), ANQA_E_CLOSED);
    CHECK_STR(text, "");
    CHECK_STATUS(anqa_close(a), ANQA_OK);
}

TEST(a_reset_is_told_from_an_end)
{
    anqa_rt *rt = rt_open(1);

    check_reset(NULL);
    CHECK(rt_have(rt_puppet(NULL), check_reset, NULL));
    rt_close(rt);
}

/* ---------------------------------------------------------------- writing */

static char byte_at(size_t i)
{
    return (char)(i * 2654435761u >> 13);
}

static char *big_block(void)
{
    char *block = anqa_heap_alloc(BIG);

    for (size_t i = 0; i < BIG; i++)
        block[i] = byte_at(i);
    return block;
}

/* Reads until the end, checks every byte, and tells how many there were. */
static void count_run(void *state)
{
    char buf[20000];
    anqa_tcp conn;
    size_t n, total = 0;

    CHECK_STATUS(anqa_tcp_take(anqa_receive(ANQA_INFINITY), &conn), ANQA_OK);
    while (anqa_read(conn, buf, 1 + total % sizeof buf, RT_LONG_MS, &n) == ANQA_OK) {
        for (size_t i = 0; i < n; i++)
            CHECK_EQ(buf[i], byte_at(total + i));
        total += n;
    }
    CHECK_STATUS(rt_send_number(anqa_parent(), "total", total), ANQA_OK);
}

static void check_slow_reader(void *arg)
{
    char *block = big_block();
    anqa_tcp a, b;
    anqa_pid counter = start(count_run, NULL, 0, NULL);
    size_t sent = 0;

    tcp_pair(&a, &b);
    CHECK_STATUS(anqa_write(a, block, BIG, 30, &sent), ANQA_E_TIMEOUT); /* nobody reads */
    CHECK(sent > 0 && sent < BIG);
    CHECK_STATUS(anqa_tcp_move(b, counter, "conn"), ANQA_OK);
    CHECK_STATUS(anqa_write(a, block + sent, BIG - sent, RT_LONG_MS, &sent),
        ANQA_OK); /* from where it stopped */
    CHECK_STATUS(anqa_close(a), ANQA_OK);
    CHECK_EQ(rt_expect_number("total"), BIG);
    anqa_heap_free(block);
}

TEST(a_write_to_who_does_not_read_times_out_and_can_go_on)
{
    anqa_rt *rt = rt_open(2);

    check_slow_reader(NULL);
    CHECK(rt_have(rt_puppet(NULL), check_slow_reader, NULL));
    rt_close(rt);
}

static void check_pieces(void *arg)
{
    char *block = big_block();
    anqa_str pieces[700];
    anqa_tcp a, b;
    anqa_pid counter = start(count_run, NULL, 0, NULL);
    size_t at = 0, sent;

    for (size_t i = 0; i < ANQA_COUNT(pieces);
        i++) { /* every third is empty, the last takes the rest */
        size_t len = i + 1 == ANQA_COUNT(pieces) ? BIG - at : i % 3 == 0 ? 0 : i * 7 % 9000;
        pieces[i] = anqa_str_make(len == 0 ? NULL : block + at, len);
        at += len;
    }
    tcp_pair(&a, &b);
    CHECK_STATUS(anqa_tcp_move(b, counter, "conn"), ANQA_OK);
    CHECK_STATUS(anqa_writev(a, pieces, 0, RT_LONG_MS, &sent), ANQA_OK);
    CHECK_EQ(sent, 0);
    CHECK_STATUS(anqa_writev(a, pieces, ANQA_COUNT(pieces), RT_LONG_MS, &sent), ANQA_OK);
    CHECK_EQ(sent, BIG);
    CHECK_STATUS(anqa_close(a), ANQA_OK);
    CHECK_EQ(rt_expect_number("total"), BIG);
    anqa_heap_free(block);
}

TEST(many_pieces_are_written_in_order)
{
    anqa_rt *rt = rt_open(2);

    check_pieces(NULL);
    CHECK(rt_have(rt_puppet(NULL), check_pieces, NULL));
    rt_close(rt);
}

/* A library's view: system calls on the descriptor, and a wait in between. */
static void check_wait(void *arg)
{
    anqa_tcp a, b;
    char buf[8];

    tcp_pair(&a, &b);
    CHECK_STATUS(anqa_tcp_wait(a, 0, 0), ANQA_E_INVALID);
    CHECK_STATUS(anqa_tcp_wait(a, ANQA_READABLE, 0), ANQA_E_TIMEOUT);
    CHECK_STATUS(anqa_tcp_wait(a, ANQA_READABLE, 10), ANQA_E_TIMEOUT);
    CHECK_STATUS(anqa_tcp_wait(a, ANQA_READABLE | ANQA_WRITABLE, 0), ANQA_OK);
    must_write(b, "xy", 2);
    for (int i = 0; i < 2; i++) { /* ready as long as something is left, edge or no edge */
        CHECK_STATUS(anqa_tcp_wait(a, ANQA_READABLE, RT_LONG_MS), ANQA_OK);
        CHECK_EQ(recv(anqa_tcp_fd(a), buf, 1, 0), 1);
    }
    CHECK_STATUS(anqa_tcp_wait(a, ANQA_READABLE, 5), ANQA_E_TIMEOUT);
    CHECK_STATUS(anqa_close(b), ANQA_OK);
    CHECK_STATUS(anqa_tcp_wait(a, ANQA_READABLE, RT_LONG_MS), ANQA_OK);
    CHECK_STATUS(anqa_close(a), ANQA_OK);
}

TEST(a_library_can_wait_for_the_descriptor)
{
    anqa_rt *rt = rt_open(1);

    check_wait(NULL);
    CHECK(rt_have(rt_puppet(NULL), check_wait, NULL));
    rt_close(rt);
}
