/* Who acts first on an instance. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "lifecycle/control/peers.h"

static const struct id tenant = {"default"};

static struct id instance(int n)
{
	struct id id;

	snprintf(id.s, sizeof(id.s), "zi_%d", n);
	return id;
}

static void alone_it_is_always_first(void **s)
{
	struct peers p;

	(void)s;
	peers_init(&p, &(struct id){"lc_a"});
	peers_heard(&p, &(struct id){"lc_a"}, 1); /* itself */
	assert_int_equal(p.n, 0);
	for (int n = 0; n < 100; n++) {
		struct id id = instance(n);

		assert_true(peers_is_first(&p, &tenant, &id));
	}
}

static void of_three_exactly_one_is_first_and_each_has_its_share(void **s)
{
	static const struct id ids[3] = {{"lc_a"}, {"lc_b"}, {"lc_c"}};
	struct peers p[3];
	int share[3] = {0};

	(void)s;
	for (int i = 0; i < 3; i++) {
		peers_init(&p[i], &ids[i]);
		for (int k = 0; k < 3; k++)
			peers_heard(&p[i], &ids[k], 1);
	}
	for (int n = 0; n < 3000; n++) {
		struct id id = instance(n);
		int firsts = 0;

		for (int i = 0; i < 3; i++)
			if (peers_is_first(&p[i], &tenant, &id)) {
				firsts++;
				share[i]++;
			}
		assert_int_equal(firsts, 1);
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(share[i], 800, 1200);
}

static void a_silent_replica_loses_its_share(void **s)
{
	struct peers p;

	(void)s;
	peers_init(&p, &(struct id){"lc_a"});
	peers_heard(&p, &(struct id){"lc_b"}, 1000);
	peers_expire(&p, 1000 + PEER_GONE_MS);
	assert_int_equal(p.n, 1);
	peers_expire(&p, 1001 + PEER_GONE_MS);
	assert_int_equal(p.n, 0);
}

static void more_replicas_than_fit_are_left_out(void **s)
{
	struct peers p;

	(void)s;
	peers_init(&p, &(struct id){"lc_a"});
	for (int n = 0; n < 2 * PEERS_MAX; n++) {
		struct id id = instance(n);

		peers_heard(&p, &id, 1);
	}
	assert_int_equal(p.n, PEERS_MAX);
}

TEST_MAIN(cmocka_unit_test(alone_it_is_always_first),
    cmocka_unit_test(of_three_exactly_one_is_first_and_each_has_its_share),
    cmocka_unit_test(a_silent_replica_loses_its_share),
    cmocka_unit_test(more_replicas_than_fit_are_left_out))
