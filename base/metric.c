/* Prometheus text exposition format 0.0.4. */
#include "base/metric.h"

#include <inttypes.h>

/* Bounds as numbers to compare with and as the text of the le label, so that no rounding
 * shows. */
static const struct {
	int64_t us;
	const char *le;
} bounds[METRIC_N_BUCKETS] = {
    {100, "0.0001"},
    {250, "0.00025"},
    {500, "0.0005"},
    {1000, "0.001"},
    {2500, "0.0025"},
    {5000, "0.005"},
    {10000, "0.01"},
    {25000, "0.025"},
    {50000, "0.05"},
    {100000, "0.1"},
    {250000, "0.25"},
    {500000, "0.5"},
    {1000000, "1"},
    {2500000, "2.5"},
    {5000000, "5"},
    {10000000, "10"},
};

void metric_observe_us(struct metric *m, int64_t us)
{
	size_t i = 0;

	must(m->type == METRIC_HISTOGRAM);
	if (us < 0)
		us = 0;
	while (i < METRIC_N_BUCKETS && us > bounds[i].us)
		i++;
	m->buckets[i]++;
	m->n_observed++;
	m->sum += (double)us / 1e6;
}

static void metric_render_head(struct buf *out, const struct metric *m)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};

	buf_addf(out, "# HELP %s ", m->name);
	for (const char *s = m->sentence; *s; s++) {
		if (*s == '\\')
			buf_adds(out, "\\\\");
		else if (*s == '\n')
			buf_adds(out, "\\n");
		else
			buf_addc(out, *s);
	}
	buf_addf(out, "\n# TYPE %s %s\n", m->name, types[m->type]);
}

static void metric_render_histogram(struct buf *out, const struct metric *m)
{
	const char *comma = m->labels[0] ? "," : "";
	const char *open = m->labels[0] ? "{" : "", *close = m->labels[0] ? "}" : "";
	uint64_t n = 0;

	for (size_t i = 0; i < METRIC_N_BUCKETS; i++) {
		n += m->buckets[i];
		buf_addf(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", m->name,
		    m->labels, comma, bounds[i].le, n);
	}
	buf_addf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", m->name, m->labels,
	    comma, m->n_observed);
	buf_addf(out, "%s_sum%s%s%s %.6f\n", m->name, open, m->labels, close, m->sum);
	buf_addf(out, "%s_count%s%s%s %" PRIu64 "\n", m->name, open, m->labels, close,
	    m->n_observed);
}

void metrics_render(struct buf *out, struct metric *const *list)
{
	const char *name = "";

	for (; *list; list++) {
		const struct metric *m = *list;

		if (strcmp(name, m->name) != 0)
			metric_render_head(out, m);
		name = m->name;
		if (m->type == METRIC_HISTOGRAM)
			metric_render_histogram(out, m);
		else if (m->labels[0])
			buf_addf(
			    out, "%s{%s} %" PRId64 "\n", m->name, m->labels, m->value);
		else
			buf_addf(out, "%s %" PRId64 "\n", m->name, m->value);
	}
}
