/* What the main program prints, told to whoever listens on the bus just now:
 * lifecycle.v1.log.<tenant>.<instance>.<out|err>.<runner>. Core messages of at most 32
 * KiB, 256 KiB a second for each instance; what is over that is dropped and counted in
 * the next message's headers. All of it (bounded) stands in the instance's folder. */
#include "lifecycle/runner/workload.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "proto/subjects.h"

enum {
	OUTPUT_BYTES_A_SECOND = 256 * 1024,
};

/* A bucket that fills by time and holds one second's worth. */
static bool output_admit(struct workload *w, size_t n)
{
	int64_t now_ms = clock_mono_ms(), gained;

	gained = (now_ms - w->output_at_ms) * OUTPUT_BYTES_A_SECOND / 1000;
	w->output_at_ms = now_ms;
	w->output_left += gained < OUTPUT_BYTES_A_SECOND ? gained : OUTPUT_BYTES_A_SECOND;
	if (w->output_left > OUTPUT_BYTES_A_SECOND)
		w->output_left = OUTPUT_BYTES_A_SECOND;
	if (w->output_left < (int64_t)n)
		return false;
	w->output_left -= (int64_t)n;
	return true;
}

void workload_output(struct workload *w, const char *p, size_t n)
{
	struct workload_output *o;
	struct shim_output m;
	struct subject subject;
	char seq[24], dropped[24];
	const struct bus_header headers[] = {{"Seq", seq}, {"Dropped", dropped}};

	if (n <= sizeof m)
		return;
	memcpy(&m, p, sizeof m);
	o = &w->outputs[m.is_err != 0];
	if (m.task != SUP_MAIN || !output_admit(w, n - sizeof m)) {
		o->n_dropped += n - sizeof m;
		return;
	}
	o->seq++;
	snprintf(seq, sizeof seq, "%" PRIu64, o->seq);
	snprintf(dropped, sizeof dropped, "%" PRIu64, o->n_dropped + m.dropped);
	subject = SUBJECT_OF(log, w->tenant.s, w->instance_id.s, m.is_err ? "err" : "out",
	    w->runner->id.s);
	if (bus_publish(w->runner->bus, subject.s, NULL, headers, ARRAY_LEN(headers),
		(struct slice){p + sizeof m, n - sizeof m}))
		o->n_dropped += n - sizeof m;
}
