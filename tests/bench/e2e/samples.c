/* Latency samples and the table the benchmark prints. */
#include "tests/bench/e2e/samples.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void samples_add(struct samples *s, int64_t us)
{
	if (s->n < SAMPLES_MAX)
		s->us[s->n++] = us;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t samples_percentile(struct samples *s, unsigned pct)
{
	if (s->n == 0)
		return 0;
	qsort(s->us, s->n, sizeof(s->us[0]), compare);
	return s->us[(s->n - 1) * pct / 100];
}

void samples_print_header(void)
{
	printf("%-34s %9s %9s %6s   %-32s %9s %9s %7s\n", "path", "p50 us", "p99 us", "n",
	    "floor in the same run", "p50 us", "p99 us", "ratio");
}

void samples_print_row(
    const char *what, struct samples *s, const char *floor_name, struct samples *floor)
{
	int64_t p50 = samples_percentile(s, 50), f50 = samples_percentile(floor, 50);

	printf("%-34s %9" PRId64 " %9" PRId64 " %6zu   %-32s %9" PRId64 " %9" PRId64
	       " %7.1f\n",
	    what, p50, samples_percentile(s, 99), s->n, floor_name, f50,
	    samples_percentile(floor, 99), f50 ? (double)p50 / (double)f50 : 0.0);
	fflush(stdout);
}

void samples_print_list_header(const char *title)
{
	printf("\n%-48s %9s %9s %9s %6s %9s\n", title, "p50 us", "p99 us", "max us", "n",
	    "p99 limit");
}

void samples_print_list_row(const char *what, struct samples *s, int64_t limit_us)
{
	printf("%-48s %9" PRId64 " %9" PRId64 " %9" PRId64 " %6zu", what,
	    samples_percentile(s, 50), samples_percentile(s, 99),
	    samples_percentile(s, 100), s->n);
	if (limit_us)
		printf(" %9" PRId64, limit_us);
	putchar('\n');
	fflush(stdout);
}
