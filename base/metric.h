/* Counters, gauges and histograms of one process, from metrics.tbl.h tables; rendered as
 * Prometheus text. Values are plain: only the loop thread touches them. */
#pragma once

#include "base/buf.h"

#include <stdint.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

enum {
	METRIC_N_BUCKETS = 16,
};

struct metric {
	const char *name;   /* with the program's prefix, e.g. "sessiond_prompts_total" */
	const char *labels; /* e.g. "state=\"ready\"", or "" */
	enum metric_type type;
	const char *sentence;
	/* private */
	int64_t value;
	uint64_t buckets[METRIC_N_BUCKETS +
			 1]; /* each its own observations; rendered as sums */
	uint64_t n_observed;
	double sum; /* seconds */
};

static inline void metric_add(struct metric *m, int64_t n)
{
	m->value += n;
}

static inline void metric_inc(struct metric *m)
{
	m->value++;
}

static inline void metric_set(struct metric *m, int64_t v)
{
	m->value = v;
}

/* Histograms of seconds; bucket bounds 1, 2.5, 5 times each power of ten from 100 us, up
 * to 10 s. */
void metric_observe_us(struct metric *m, int64_t us);

/* Append one NULL-terminated list of metrics; rows of one name stand together in it, so
 * that HELP and TYPE come once. Called once for each list of a program. */
void metrics_render(struct buf *out, struct metric *const *list);

/* As for log events (base/log.h). A row of metrics.tbl.h:
 *	METRIC(id, "sessiond_prompts_total", COUNTER, "", "Prompts accepted.")
 * M_id is the metric; rows that differ in labels share the name. */
#define METRIC_DECLARE(id, name, type, labels, sentence)                                 \
	extern struct metric *const M_##id;
#define METRIC_DEFINE(id, mname, mtype, mlabels, text)                                   \
	static struct metric m_##id = {                                                  \
	    .name = mname, .labels = mlabels, .type = METRIC_##mtype, .sentence = text}; \
	struct metric *const M_##id = &m_##id;
#define METRIC_LIST(id, name, type, labels, sentence) &m_##id,
