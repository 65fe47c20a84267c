/* POST of a message -> 202. */
#include "tests/bench/e2e/paths.h"
#include "tests/bench/e2e/samples.h"

#include "base/clock.h"

enum {
	PER_SESSION = 50, /* below the limit of queued prompts */
};

static void make_session(struct rig *r, size_t no, char *id, size_t n_id)
{
	char body[128], answer[64];
	int status;

	snprintf(id, n_id, "ses_bench_message_%zu", no);
	snprintf(body, sizeof(body), "{\"id\":\"%s\"}", id);
	status = rig_call(r, "POST", "/api/v1/sessions", body, answer, sizeof(answer));
	if (status != 201 && status != 200)
		rig_die("making a session: HTTP %d %s", status, answer);
}

void bench_message(struct rig *r, size_t n)
{
	static struct samples accepted, floor;
	char id[64], path[160], answer[256];

	accepted.n = floor.n = 0;
	for (size_t i = 0; i < n; i++) {
		int64_t t0;
		int status;

		if (i % PER_SESSION == 0)
			make_session(r, i / PER_SESSION, id, sizeof(id));
		samples_add(&floor, rig_publish(r, "bench.message",
					SLICE_LIT("{\"message\":\"hello\"}")));
		snprintf(path, sizeof(path), "/api/v1/sessions/%s/messages", id);
		t0 = clock_mono_us();
		status = rig_call(
		    r, "POST", path, "{\"message\":\"hello\"}", answer, sizeof(answer));
		samples_add(&accepted, clock_mono_us() - t0);
		if (status != 202)
			rig_die("message: HTTP %d %s", status, answer);
	}
	samples_print_row("message -> 202", &accepted, "publish stored", &floor);
}
