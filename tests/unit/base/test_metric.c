#include "base/metric.h"

#include "tests/lib/test.h"

#define ROWS                                                                             \
	METRIC(                                                                          \
	    prompts, "x_prompts_total", COUNTER, "", "Prompts, with a \\ and\na line.")  \
	METRIC(ready, "x_peers", GAUGE, "state=\"ready\"", "Peers.")                     \
	METRIC(gone, "x_peers", GAUGE, "state=\"gone\"", "Peers.")                       \
	METRIC(delay, "x_delay_seconds", HISTOGRAM, "", "Delay.")                        \
	METRIC(split, "x_split_seconds", HISTOGRAM, "kind=\"a\"", "Split.")

#define METRIC METRIC_DECLARE
ROWS
#undef METRIC
#define METRIC METRIC_DEFINE
    ROWS
#undef METRIC
#define METRIC METRIC_LIST
    static struct metric *const metrics[] = {ROWS NULL};
#undef METRIC

static void counters_and_gauges_render_once_per_name(void **state)
{
	AUTO(buf_deinit) struct buf out = BUF_NULL(1 << 16);

	(void)state;
	metric_inc(M_prompts);
	metric_add(M_prompts, 4);
	metric_set(M_ready, 3);
	metric_add(M_gone, -2);
	metrics_render(&out, metrics);
	assert_true(slice_starts(buf_slice(&out),
	    SLICE_LIT("# HELP x_prompts_total Prompts, with a \\\\ and\\na line.\n"
		      "# TYPE x_prompts_total counter\n"
		      "x_prompts_total 5\n"
		      "# HELP x_peers Peers.\n"
		      "# TYPE x_peers gauge\n"
		      "x_peers{state=\"ready\"} 3\n"
		      "x_peers{state=\"gone\"} -2\n"
		      "# HELP x_delay_seconds Delay.\n"
		      "# TYPE x_delay_seconds histogram\n")));
}

static void histograms_render_cumulative_buckets(void **state)
{
	AUTO(buf_deinit) struct buf out = BUF_NULL(1 << 16);

	(void)state;
	metric_observe_us(M_delay, -5);
	metric_observe_us(M_delay, 100);
	metric_observe_us(M_delay, 101);
	metric_observe_us(M_delay, 700000);
	metric_observe_us(M_delay, 10000001);
	metric_observe_us(M_split, 3000);
	metrics_render(&out, metrics);
	assert_non_null(
	    strstr(buf_cstr(&out), "x_delay_seconds_bucket{le=\"0.0001\"} 2\n"));
	assert_non_null(
	    strstr(buf_cstr(&out), "x_delay_seconds_bucket{le=\"0.00025\"} 3\n"));
	assert_non_null(strstr(buf_cstr(&out), "x_delay_seconds_bucket{le=\"0.5\"} 3\n"));
	assert_non_null(strstr(buf_cstr(&out), "x_delay_seconds_bucket{le=\"1\"} 4\n"));
	assert_non_null(strstr(buf_cstr(&out), "x_delay_seconds_bucket{le=\"10\"} 4\n"));
	assert_non_null(
	    strstr(buf_cstr(&out), "x_delay_seconds_bucket{le=\"+Inf\"} 5\n"));
	assert_non_null(strstr(buf_cstr(&out), "x_delay_seconds_sum 10.700202\n"));
	assert_non_null(strstr(buf_cstr(&out), "x_delay_seconds_count 5\n"));
	assert_non_null(strstr(
	    buf_cstr(&out), "x_split_seconds_bucket{kind=\"a\",le=\"0.005\"} 1\n"));
	assert_non_null(strstr(buf_cstr(&out), "x_split_seconds_count{kind=\"a\"} 1\n"));
}

TEST_MAIN(cmocka_unit_test(counters_and_gauges_render_once_per_name),
    cmocka_unit_test(histograms_render_cumulative_buckets))
