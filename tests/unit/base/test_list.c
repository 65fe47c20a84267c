#include "base/list.h"

#include "tests/lib/test.h"

struct thing {
	int v;
	struct list_link link;
};

static int sum_in_order(const struct list *l)
{
	int v = 0;

	list_for_each (it, l)
		v = v * 10 + list_entry(it, struct thing, link)->v;
	return v;
}

static void links_keep_their_order_and_count(void **state)
{
	struct thing a = {.v = 1}, b = {.v = 2}, c = {.v = 3}, d = {.v = 4};
	struct list l;

	(void)state;
	list_init(&l);
	assert_null(list_first(&l));
	assert_null(list_pop(&l));
	list_push(&l, &b.link);
	list_push(&l, &d.link);
	list_push_front(&l, &a.link);
	list_insert_before(&l, &d.link, &c.link);
	assert_int_equal(sum_in_order(&l), 1234);
	assert_int_equal(l.n, 4);
	list_del(&l, &c.link);
	assert_false(list_linked(&c.link));
	assert_true(list_linked(&d.link));
	assert_int_equal(sum_in_order(&l), 124);
	assert_ptr_equal(list_pop(&l), &a.link);
	assert_ptr_equal(list_first(&l), &b.link);
	assert_int_equal(l.n, 2);
}

static void the_current_entry_may_be_freed_while_walking(void **state)
{
	struct list l;

	(void)state;
	list_init(&l);
	for (int i = 0; i < 10; i++) {
		struct thing *t = calloc(1, sizeof(*t));

		assert_non_null(t);
		t->v = i;
		list_push(&l, &t->link);
	}
	list_for_each_safe (it, &l) {
		struct thing *t = list_entry(it, struct thing, link);

		list_del(&l, it);
		free(t);
	}
	assert_int_equal(l.n, 0);
	assert_null(list_first(&l));
}

TEST_MAIN(cmocka_unit_test(links_keep_their_order_and_count),
    cmocka_unit_test(the_current_entry_may_be_freed_while_walking))
