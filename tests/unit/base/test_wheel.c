#include "base/wheel.h"

#include "tests/lib/test.h"

enum {
	TICK_MS = 10,
	N_TIMERS = 2000,
};

struct probe {
	struct wheel_timer timer;
	struct wheel *w;
	struct probe *other;
	int n_fired;
	int64_t fired_ms;
	int64_t again_ms; /* arm again by so much; 0: not */
};

static int64_t now_ms;

static void probe_on_fire(struct wheel_timer *t)
{
	struct probe *p = container_of(t, struct probe, timer);

	p->n_fired++;
	p->fired_ms = now_ms;
	if (p->other)
		wheel_cancel(p->w, &p->other->timer);
	if (p->again_ms)
		wheel_arm(p->w, t, p->again_ms);
}

static void probe_init(struct probe *p, struct wheel *w)
{
	*p = (struct probe){.timer.fire = probe_on_fire, .w = w};
}

static void turn_to(struct wheel *w, int64_t ms)
{
	now_ms = ms;
	wheel_turn(w, ms);
}

static void timers_fire_once_and_on_time(void **state)
{
	static struct wheel w;
	static struct probe p[N_TIMERS];
	int64_t start = 12345;

	(void)state;
	wheel_init(&w, TICK_MS, start);
	for (int i = 0; i < N_TIMERS; i++) {
		probe_init(&p[i], &w);
		wheel_arm(&w, &p[i].timer, i * 7);
	}
	assert_int_equal(w.n_armed, N_TIMERS);
	for (int64_t t = start; t < start + 7 * N_TIMERS + 3 * TICK_MS; t++)
		turn_to(&w, t);
	assert_int_equal(w.n_armed, 0);
	for (int i = 0; i < N_TIMERS; i++) {
		assert_int_equal(p[i].n_fired, 1);
		assert_in_range(
		    p[i].fired_ms, start + i * 7, start + i * 7 + 2 * TICK_MS);
	}
}

static void a_timer_armed_late_in_a_tick_is_not_early(void **state)
{
	static struct wheel w;
	struct probe p;

	(void)state;
	for (int64_t late = 0; late < TICK_MS; late++) {
		wheel_init(&w, TICK_MS, 1000);
		probe_init(&p, &w);
		turn_to(&w, 1000 + late); /* the wheel still stands at 1000 */
		wheel_arm(&w, &p.timer, 25);
		for (int64_t t = 1000 + late; !p.n_fired; t++)
			turn_to(&w, t);
		assert_in_range(
		    p.fired_ms, 1000 + late + 25, 1000 + late + 25 + 2 * TICK_MS);
	}
}

static void timers_far_away_wait_for_their_round(void **state)
{
	static struct wheel w;
	struct probe near, far;
	int64_t round_ms = (int64_t)WHEEL_SLOTS * TICK_MS;

	(void)state;
	wheel_init(&w, TICK_MS, 0);
	probe_init(&near, &w);
	probe_init(&far, &w);
	wheel_arm(&w, &near.timer, 50);
	wheel_arm(&w, &far.timer, 50 + 2 * round_ms);
	for (int64_t t = 0; t <= 50 + 2 * round_ms - 1; t += 5)
		turn_to(&w, t);
	assert_int_equal(near.n_fired, 1);
	assert_int_equal(far.n_fired, 0);
	turn_to(&w, 50 + 2 * round_ms + 2 * TICK_MS);
	assert_int_equal(far.n_fired, 1);
}

static void a_long_sleep_fires_everything_that_was_due(void **state)
{
	static struct wheel w;
	static struct probe p[N_TIMERS];
	int n_fired = 0;

	(void)state;
	wheel_init(&w, TICK_MS, 0);
	for (int i = 0; i < N_TIMERS; i++) {
		probe_init(&p[i], &w);
		wheel_arm(&w, &p[i].timer, i * 31);
	}
	turn_to(&w, 1000 * 31 + 2 * TICK_MS);
	for (int i = 0; i < N_TIMERS; i++)
		n_fired += p[i].n_fired;
	assert_in_range(n_fired, 1001, 1002);
	turn_to(&w, 10 * N_TIMERS * 31);
	assert_int_equal(w.n_armed, 0);
}

static void rearming_moves_and_cancelling_stops(void **state)
{
	static struct wheel w;
	struct probe a, b;

	(void)state;
	wheel_init(&w, TICK_MS, 0);
	probe_init(&a, &w);
	probe_init(&b, &w);
	wheel_cancel(&w, &a.timer);
	wheel_arm(&w, &a.timer, 50);
	wheel_arm(&w, &a.timer, 500);
	wheel_arm(&w, &b.timer, 50);
	wheel_cancel(&w, &b.timer);
	wheel_cancel(&w, &b.timer);
	assert_int_equal(w.n_armed, 1);
	turn_to(&w, 490);
	assert_int_equal(a.n_fired + b.n_fired, 0);
	turn_to(&w, 530);
	assert_int_equal(a.n_fired, 1);
	assert_int_equal(b.n_fired, 0);
}

static void a_callback_may_rearm_itself_and_cancel_others(void **state)
{
	static struct wheel w;
	struct probe a, b, c;

	(void)state;
	wheel_init(&w, TICK_MS, 0);
	probe_init(&a, &w);
	probe_init(&b, &w);
	probe_init(&c, &w);
	a.again_ms = 100;
	a.other = &b; /* same tick, armed later: cancelled before it can fire */
	wheel_arm(&w, &a.timer, 50);
	wheel_arm(&w, &b.timer, 50);
	wheel_arm(&w, &c.timer, 50);
	turn_to(&w, 1000);
	assert_int_equal(
	    a.n_fired, 1); /* again only in a later turn, however late this one */
	assert_int_equal(b.n_fired, 0);
	assert_int_equal(c.n_fired, 1);
	turn_to(&w, 1000);
	turn_to(&w, 1130);
	assert_int_equal(a.n_fired, 2);
	assert_int_equal(w.n_armed, 1);
}

static void a_callback_may_arm_into_the_slot_being_turned(void **state)
{
	static struct wheel w;
	struct probe a;

	(void)state;
	wheel_init(&w, TICK_MS, 0);
	probe_init(&a, &w);
	a.again_ms = (int64_t)(WHEEL_SLOTS - 1) * TICK_MS;
	wheel_arm(&w, &a.timer, TICK_MS);
	for (int64_t t = 0; t <= 3 * TICK_MS; t++)
		turn_to(&w, t);
	assert_int_equal(a.n_fired, 1);
	assert_int_equal(w.n_armed, 1);
}

static void time_going_back_does_nothing(void **state)
{
	static struct wheel w;
	struct probe a;

	(void)state;
	wheel_init(&w, TICK_MS, 1000);
	probe_init(&a, &w);
	wheel_arm(&w, &a.timer, 20);
	turn_to(&w, 500);
	assert_int_equal(a.n_fired, 0);
	wheel_arm(&w, &a.timer, INT64_MAX);
	turn_to(&w, 5000);
	assert_int_equal(a.n_fired, 0);
	wheel_cancel(&w, &a.timer);
}

/* A wheel that sleeps until wheel_next_ms() says so: as punctual, with few turns. */
static void a_wheel_may_sleep_until_something_is_due(void **state)
{
	static struct wheel w;
	static struct probe p[3];
	static const int64_t delays[3] = {35, 4000, 700000};
	int64_t ms = 12345;
	int n_turns = 0;

	(void)state;
	wheel_init(&w, TICK_MS, ms);
	assert_int_equal(wheel_next_ms(&w, ms), -1);
	ms += 777777; /* it was not turned for long */
	for (int i = 0; i < 3; i++) {
		probe_init(&p[i], &w);
		wheel_arm_from(&w, &p[i].timer, ms, delays[i]);
	}
	for (int64_t t = ms; w.n_armed > 0; n_turns++) {
		assert_in_range(wheel_next_ms(&w, t), 0, TICK_MS * WHEEL_SLOTS);
		t += wheel_next_ms(&w, t);
		turn_to(&w, t);
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(p[i].fired_ms, ms + delays[i], ms + delays[i] + 3 * TICK_MS);
	assert_in_range(n_turns, 3, 3 * (700000 / (TICK_MS * WHEEL_SLOTS) + 2));
	assert_int_equal(wheel_next_ms(&w, now_ms), -1);
}

TEST_MAIN(cmocka_unit_test(a_wheel_may_sleep_until_something_is_due),
    cmocka_unit_test(timers_fire_once_and_on_time),
    cmocka_unit_test(a_timer_armed_late_in_a_tick_is_not_early),
    cmocka_unit_test(timers_far_away_wait_for_their_round),
    cmocka_unit_test(a_long_sleep_fires_everything_that_was_due),
    cmocka_unit_test(rearming_moves_and_cancelling_stops),
    cmocka_unit_test(a_callback_may_rearm_itself_and_cancel_others),
    cmocka_unit_test(a_callback_may_arm_into_the_slot_being_turned),
    cmocka_unit_test(time_going_back_does_nothing))
