/* Which runner gets an instance, and why not the others. */
#include "tests/lib/test.h"

#include "lifecycle/core/placement.h"

struct farm {
	struct runner_info info[4];
	struct offer offers[4];
	struct candidate c[4];
	struct instance i;
};

static void farm_init(struct farm *f, size_t n)
{
	*f = (struct farm){0};
	f->i.profile = (struct id){"zed"};
	f->i.state = STATE_PENDING;
	f->i.reason = REASON_WORKSPACE_BUSY;
	for (size_t k = 0; k < n; k++) {
		f->offers[k] = OFFER_NULL;
		f->offers[k].name = (struct id){"zed"};
		snprintf(f->info[k].id.s, sizeof(f->info[k].id.s), "r%zu", k);
		f->info[k].slots = 10;
		f->info[k].offers = &f->offers[k];
		f->info[k].n_offers = 1;
		f->c[k] = (struct candidate){.info = &f->info[k], .live = true};
	}
}

static struct pick pick(const struct farm *f, size_t n, uint32_t a, uint32_t b)
{
	return placement_pick(&f->i, f->c, n, (const uint32_t[2]){a, b}, 1000);
}

static void of_two_drawn_the_less_loaded_is_taken(void **s)
{
	struct farm f;

	(void)s;
	farm_init(&f, 3);
	f.c[0].n_held = 5;
	f.c[1].n_held = 3;
	f.c[2].n_held = 1;
	assert_ptr_equal(pick(&f, 3, 0, 1).chosen, &f.c[1]);
	assert_ptr_equal(pick(&f, 3, 0, 2).chosen, &f.c[2]);
	assert_ptr_equal(pick(&f, 3, 0, 0).chosen, &f.c[0]);
	f.info[0].slots = 100; /* load is relative */
	assert_ptr_equal(pick(&f, 3, 0, 1).chosen, &f.c[0]);
}

static void it_says_why_there_is_none(void **s)
{
	struct farm f;

	(void)s;
	farm_init(&f, 2);
	assert_int_equal(pick(&f, 0, 0, 0).reason, REASON_NO_RUNNER);
	f.c[0].live = f.c[1].live = false;
	assert_int_equal(pick(&f, 2, 0, 0).reason, REASON_NO_RUNNER);
	f.c[0].live = true;
	f.offers[0].name = (struct id){"other"};
	assert_int_equal(pick(&f, 2, 0, 0).reason, REASON_LABELS);
	f.c[1].live = true;
	f.c[1].n_held = 10;
	assert_int_equal(pick(&f, 2, 0, 0).reason, REASON_NO_CAPACITY);
}

static void labels_are_wanted_all(void **s)
{
	struct farm f;

	(void)s;
	farm_init(&f, 1);
	strmap_put(&f.i.labels, "region", "eu");
	assert_int_equal(pick(&f, 1, 0, 0).reason, REASON_LABELS);
	strmap_put(&f.info[0].labels, "region", "us");
	assert_int_equal(pick(&f, 1, 0, 0).reason, REASON_LABELS);
	strmap_put(&f.info[0].labels, "region", "eu");
	strmap_put(&f.info[0].labels, "more", "x");
	assert_ptr_equal(pick(&f, 1, 0, 0).chosen, &f.c[0]);
	strmap_deinit(&f.i.labels);
	strmap_deinit(&f.info[0].labels);
}

static void who_refused_is_asked_last_and_later(void **s)
{
	struct farm f;

	(void)s;
	farm_init(&f, 2);
	f.i.excluded[0] = f.info[0].id;
	f.i.n_excluded = 1;
	f.i.retry_unix_ms = 1001;
	assert_ptr_equal(pick(&f, 2, 0, 0).chosen, &f.c[1]);
	f.c[1].live = false;
	assert_null(pick(&f, 2, 0, 0).chosen);
	assert_int_equal(pick(&f, 2, 0, 0).reason, REASON_WORKSPACE_BUSY);
	f.i.retry_unix_ms = 1000;
	assert_ptr_equal(pick(&f, 2, 0, 0).chosen, &f.c[0]);
}

static void a_runner_without_slots_is_never_taken(void **s)
{
	struct farm f;

	(void)s;
	farm_init(&f, 1);
	f.info[0].slots = 0;
	assert_int_equal(pick(&f, 1, 7, 9).reason, REASON_NO_CAPACITY);
}

TEST_MAIN(cmocka_unit_test(of_two_drawn_the_less_loaded_is_taken),
    cmocka_unit_test(it_says_why_there_is_none), cmocka_unit_test(labels_are_wanted_all),
    cmocka_unit_test(who_refused_is_asked_last_and_later),
    cmocka_unit_test(a_runner_without_slots_is_never_taken))
