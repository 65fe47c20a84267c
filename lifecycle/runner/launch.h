/* What an instance execs: arguments and environment of each of its processes, from the
 * profile and the spec. */
#pragma once

#include "lifecycle/core/profile.h"
#include "lifecycle/runner/workload.h"

/* All borrowed until launch_new returns. */
struct launch_in {
	const struct workload *w; /* folders, account, ports, token */
	const struct profile *profile;
	const struct spec *spec;
};

/* 0; ERROR_INVALID, ERROR_TOO_LARGE: a value cannot be used; *out freed with launch_free.
 */
int launch_new(const struct launch_in *in, struct launch **out, struct err *e) MUST_CHECK;
struct launch *launch_free(struct launch *l); /* takes NULL; returns NULL */
/* The SPAWN frame's payload for @task. @l NULL: only the hook can be started, with what
 * the workload itself knows. */
void launch_frame(const struct launch *l, const struct workload *w, int task,
    uint32_t run, struct buf *out);
/* Placeholders as this workload fills them, for @task. */
struct profile_vars launch_vars(
    const struct workload *w, const struct strmap *params, int task);
