/* Hashed timing wheel: many coarse timers at O(1) each. Pure: the owner turns it. Used
 * for connection deadlines and pings, where a sorted list or a heap per connection would
 * cost. */
#pragma once

#include "base/list.h"

#include <stdint.h>

enum {
	WHEEL_SLOTS = 512,
};

struct wheel_timer {
	struct list_link link;
	int64_t due_ms; /* 0 while not armed */
	void (*fire)(struct wheel_timer *t);
};

struct wheel {
	struct list slots[WHEEL_SLOTS]; /* struct wheel_timer.link */
	int64_t tick_ms;
	int64_t now_ms; /* time of the last turn, rounded down to a tick */
	size_t n_armed;
	bool turning;
};

/* @now_ms must not be negative, nor go back in later turns (a turn to the past does
 * nothing). */
void wheel_init(struct wheel *w, int64_t tick_ms, int64_t now_ms);
/* Fires once, never before @delay_ms have passed; turned every tick, at most two ticks
 * later. Re-arming moves it. A timer armed while the wheel turns fires in a later turn.
 */
void wheel_arm(struct wheel *w, struct wheel_timer *t, int64_t delay_ms);
/* The same, counted from @now_ms: of a wheel that is turned only when there is something
 * to do (wheel_next_ms), whose own time may be long ago. */
void wheel_arm_from(
    struct wheel *w, struct wheel_timer *t, int64_t now_ms, int64_t delay_ms);
void wheel_cancel(struct wheel *w, struct wheel_timer *t);
/* Fire all that is due. A callback may arm, cancel or free any timer, its own too, but
 * not turn the wheel. */
void wheel_turn(struct wheel *w, int64_t now_ms);
/* From @now_ms until the next turn that may find something due; at most a round. -1:
 * nothing is armed. */
int64_t wheel_next_ms(const struct wheel *w, int64_t now_ms);
