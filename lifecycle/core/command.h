/* A command as its sender meant it. */
#pragma once

#include "lifecycle/core/assignment.h"
#include "lifecycle/core/spec.h"

struct command {
	enum verb verb;
	struct id tenant,
	    instance_id; /* "" when the body has none: the subject decides */
	char command_id[COMMAND_ID_MAX + 1]; /* "" for none */
	uint64_t expected_generation;        /* stop, restart; 0: any */
	struct spec spec;                    /* start */
	int64_t start_deadline_ms;           /* start; -1 unset, 0 none */
	struct stop_request stop;            /* stop */
	int signal;                          /* signal; 0 unset */
};

#define COMMAND_NULL                                                                     \
	((struct command){.spec = {.restart = {.max = -1, .window_ms = -1},              \
			      .stop = {.grace_ms = -1},                                  \
			      .ready_timeout_ms = -1,                                    \
			      .lost_after_ms = -1,                                       \
			      .idle_timeout_ms = -1},                                    \
	    .start_deadline_ms = -1,                                                     \
	    .stop = {.grace_ms = -1}})

void command_deinit(struct command *c); /* legal twice */
/**
 * command_check() - the format rules of every verb; fills defaults no profile can say
 * @tenant, @instance_id: from the subject ("" when the subject names none); a body that
 * differs is refused
 *
 * Return: 0; ERROR_INVALID
 */
int command_check(struct command *c, const struct id *tenant,
    const struct id *instance_id, struct err *e) MUST_CHECK;
