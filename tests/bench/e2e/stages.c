/* Prometheus text, as far as it is needed here. */
#include "tests/bench/e2e/stages.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name, *what;
} stage_names[STAGES] = {
    {"event_to_read", "change noticed -> file read"},
    {"read_to_planned", "file read -> decided"},
    {"planned_to_visible", "decided -> the file says it"},
    {"visible_to_synced", "the file says it -> the disk has it"},
    {"visible_to_read", "the file says it -> somebody read it"},
    {"server_to_visible", "server's word -> the file says it"},
    {"save_to_posted", "save noticed -> sent up"},
    {"posted_to_acked", "sent up -> acknowledged"},
};

static const char *line_of(const char *text, const char *name, const char *suffix)
{
	char key[96];
	const char *at;

	snprintf(key, sizeof(key), "\nsettings_sync_%s_seconds_%s", name, suffix);
	at = strstr(text, key);
	return at ? at + strlen(key) : NULL;
}

static void read_buckets(struct stage *s, const char *at)
{
	while (at && s->n_buckets < STAGE_BUCKETS && strncmp(at, "{le=\"", 5) == 0) {
		char *end;

		s->seconds[s->n_buckets] = strtod(at + 5, &end); /* "+Inf" too */
		s->buckets[s->n_buckets++] = strtoull(end + 3, NULL, 10);
		at = strstr(end, "_bucket{");
		at = at ? at + 7 : NULL;
	}
}

void stages_read(const struct desk *d, struct stages *out)
{
	static char text[128 * 1024];

	if (rig_call_port(d->r, d->port, "GET", "/metrics", NULL, text, sizeof(text)) != 200)
		rig_die("/metrics of %s", d->session_id);
	for (size_t i = 0; i < STAGES; i++) {
		struct stage *s = &out->s[i];
		const char *sum = line_of(text, stage_names[i].name, "sum");
		const char *n = line_of(text, stage_names[i].name, "count");

		*s = (struct stage){0};
		if (!sum || !n)
			rig_die("/metrics has no %s", stage_names[i].name);
		s->sum = strtod(sum, NULL);
		s->n = strtoull(n, NULL, 10);
		read_buckets(s, line_of(text, stage_names[i].name, "bucket"));
	}
}

/* The bound under which @share of the observations are, in ms. */
static double stage_bound_ms(
    const struct stage *a, const struct stage *b, double share)
{
	double wanted = ceil((double)(b->n - a->n) * share);

	for (size_t i = 0; i < b->n_buckets; i++) {
		if ((double)(b->buckets[i] - a->buckets[i]) >= wanted)
			return b->seconds[i] * 1e3;
	}
	return INFINITY;
}

void stages_print(const struct stages *before, const struct stages *after)
{
	printf("\n%-48s %9s %9s %9s %6s\n", "stages, by one daemon's /metrics", "mean us",
	    "p50 <= ms", "p99 <= ms", "n");
	for (size_t i = 0; i < STAGES; i++) {
		const struct stage *a = &before->s[i], *b = &after->s[i];
		uint64_t n = b->n - a->n;

		printf("%-48s", stage_names[i].what);
		if (n)
			printf(" %9.0f %9.2f %9.2f", (b->sum - a->sum) / (double)n * 1e6,
			    stage_bound_ms(a, b, 0.5), stage_bound_ms(a, b, 0.99));
		else
			printf(" %9s %9s %9s", "-", "-", "-");
		printf(" %6" PRIu64 "\n", n);
	}
}
