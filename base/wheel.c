/* One list per tick, reused every WHEEL_SLOTS ticks; a timer further away than that stays
 * in its list and is passed over until its round comes. */
#include "base/wheel.h"

static int64_t wheel_floor(const struct wheel *w, int64_t ms)
{
	return ms - ms % w->tick_ms;
}

static struct list *wheel_slot(struct wheel *w, int64_t due_ms)
{
	return &w->slots[(due_ms / w->tick_ms) % WHEEL_SLOTS];
}

void wheel_init(struct wheel *w, int64_t tick_ms, int64_t now_ms)
{
	must(tick_ms > 0 && now_ms >= 0);
	for (size_t i = 0; i < WHEEL_SLOTS; i++)
		list_init(&w->slots[i]);
	w->tick_ms = tick_ms;
	w->now_ms = wheel_floor(w, now_ms);
	w->n_armed = 0;
	w->turning = false;
}

void wheel_cancel(struct wheel *w, struct wheel_timer *t)
{
	if (t->due_ms == 0)
		return;
	list_del(wheel_slot(w, t->due_ms), &t->link);
	t->due_ms = 0;
	w->n_armed--;
}

void wheel_arm_from(
    struct wheel *w, struct wheel_timer *t, int64_t now_ms, int64_t delay_ms)
{
	wheel_cancel(w, t);
	now_ms = now_ms > w->now_ms ? wheel_floor(w, now_ms) : w->now_ms;
	if (delay_ms < 0)
		delay_ms = 0;
	if (delay_ms > INT64_MAX / 4)
		delay_ms = INT64_MAX / 4;
	/* The true time may be almost a tick after now_ms, hence one tick more; then up
	 * to a whole tick. */
	t->due_ms = wheel_floor(w, now_ms + delay_ms + 2 * w->tick_ms - 1);
	list_push(wheel_slot(w, t->due_ms), &t->link);
	w->n_armed++;
}

void wheel_arm(struct wheel *w, struct wheel_timer *t, int64_t delay_ms)
{
	wheel_arm_from(w, t, w->now_ms, delay_ms);
}

int64_t wheel_next_ms(const struct wheel *w, int64_t now_ms)
{
	int64_t due_ms = w->now_ms;

	if (w->n_armed == 0)
		return -1;
	for (size_t i = 0; i < WHEEL_SLOTS; i++) {
		due_ms += w->tick_ms;
		if (w->slots[(due_ms / w->tick_ms) % WHEEL_SLOTS].n > 0)
			break;
	}
	return due_ms > now_ms ? due_ms - now_ms : 0;
}

/* Callbacks change the list under our hands: go by its head and by a count, never by a
 * kept pointer. What they add goes to the tail and is not due. */
static void wheel_turn_slot(struct wheel *w, struct list *slot)
{
	for (size_t n = slot->n; n > 0 && slot->n > 0; n--) {
		struct wheel_timer *t =
		    list_entry(list_pop(slot), struct wheel_timer, link);

		if (t->due_ms > w->now_ms) {
			list_push(slot, &t->link);
			continue;
		}
		t->due_ms = 0;
		w->n_armed--;
		t->fire(t);
	}
}

void wheel_turn(struct wheel *w, int64_t now_ms)
{
	int64_t from_ms = w->now_ms, n_ticks;

	must(!w->turning);
	if (now_ms < from_ms + w->tick_ms)
		return;
	w->turning = true;
	w->now_ms = wheel_floor(w, now_ms);
	n_ticks = (w->now_ms - from_ms) / w->tick_ms;
	if (n_ticks > WHEEL_SLOTS)
		n_ticks = WHEEL_SLOTS;
	for (int64_t i = 1; i <= n_ticks; i++)
		wheel_turn_slot(w, wheel_slot(w, from_ms + i * w->tick_ms));
	w->turning = false;
}
