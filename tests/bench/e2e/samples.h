/* Latency samples and the tables the benchmark prints. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
	SAMPLES_MAX = 10000,
};

struct samples {
	int64_t us[SAMPLES_MAX];
	size_t n;
};

void samples_add(struct samples *s, int64_t us); /* beyond SAMPLES_MAX: ignored */
/* @pct of 0..100; sorts @s. 0 when there are none. */
int64_t samples_percentile(struct samples *s, unsigned pct);

/* "what: p50, p99, n beside floor's p50, p99" as one row. */
void samples_print_header(void);
void samples_print_row(
    const char *what, struct samples *s, const char *floor_name, struct samples *floor);

/* One quantity alone: p50, p99, max, n, and beside it what its p99 shall stay below;
 * @limit_us 0: nothing is asked of it. */
void samples_print_list_header(const char *title);
void samples_print_list_row(const char *what, struct samples *s, int64_t limit_us);
