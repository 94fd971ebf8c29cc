#include "harness.h"

#include "base/list.h"

struct item {
    int value;
    struct anqa_list_node node;
};

static struct item *item_of(struct anqa_list_node *node)
{
    return ANQA_CONTAINER_OF(node, struct item, node);
}

/* Checks the list in both directions; the expected values end with -1. */
static void check_list(const struct anqa_list *list, const int *expected)
{
    struct anqa_list_node *node = anqa_list_first(list), *last = NULL;
    size_t n = 0;

    for (; node != NULL; node = anqa_list_next(list, node), n++) {
        CHECK_EQ(item_of(node)->value, expected[n]);
        CHECK(anqa_list_prev(list, node) == last);
        last = node;
    }
    CHECK_EQ(expected[n], -1);
    CHECK(anqa_list_last(list) == last);
}

#define VALUES(...) ((const int[]){__VA_ARGS__, -1})

static struct item items[] = {{.value = 0}, {.value = 1}, {.value = 2}, {.value = 3}, {.value = 4}};

TEST(a_list_keeps_its_order_through_push_and_remove)
{
    struct anqa_list list = ANQA_LIST_INIT(list);

    CHECK(
        anqa_list_empty(&list) && anqa_list_first(&list) == NULL && anqa_list_last(&list) == NULL);
    anqa_list_push(&list, &items[1].node);
    anqa_list_push(&list, &items[2].node);
    anqa_list_push_front(&list, &items[0].node);
    check_list(&list, VALUES(0, 1, 2));
    anqa_list_insert_before(&items[2].node, &items[4].node);
    check_list(&list, VALUES(0, 1, 4, 2));
    anqa_list_remove(&items[1].node);
    check_list(&list, VALUES(0, 4, 2));
    CHECK(!anqa_list_linked(&items[1].node) && anqa_list_linked(&items[4].node));
    anqa_list_remove(&items[1].node);
    check_list(&list, VALUES(0, 4, 2));
}

TEST(pop_takes_from_both_ends_and_gives_null_in_the_end)
{
    struct anqa_list list = ANQA_LIST_INIT(list);

    for (size_t i = 0; i < 3; i++)
        anqa_list_push(&list, &items[i].node);
    CHECK_EQ(item_of(anqa_list_pop(&list))->value, 0);
    CHECK_EQ(item_of(anqa_list_pop_last(&list))->value, 2);
    CHECK_EQ(item_of(anqa_list_pop(&list))->value, 1);
    CHECK(item_of(anqa_list_pop(&list)) == NULL);
    CHECK(item_of(anqa_list_pop_last(&list)) == NULL);
}

TEST(splice_moves_everything_in_order)
{
    struct anqa_list a = ANQA_LIST_INIT(a), b = ANQA_LIST_INIT(b);

    anqa_list_splice(&a, &b);
    check_list(&a, VALUES(-1));
    anqa_list_push(&b, &items[2].node);
    anqa_list_push(&b, &items[3].node);
    anqa_list_splice(&a, &b);
    check_list(&a, VALUES(2, 3));
    check_list(&b, VALUES(-1));
    anqa_list_push(&b, &items[0].node);
    anqa_list_splice(&a, &b);
    check_list(&a, VALUES(2, 3, 0));
}
