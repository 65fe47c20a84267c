/* One sidecar's decisions without its surroundings. */
#pragma once

#include "sessiond/sidecar/decide.h"

/* One sidecar without its surroundings: a record, a file, what the server has. */
struct bed {
	struct record last;
	char file[1024];
	bool exists, plain;
	const char *base, *policy, *server;
	const char *base_tag; /* NULL: one without a number */
	enum decide_answer bulk, first;
	bool offline, migrating;
	const char *before, *after;
	int64_t since_write_us;
	struct decide_output out;
	struct err e;
	unsigned n_ops;
	int64_t now_ms;
};

int bed_setup(void **state);
int bed_teardown(void **state);
void bed_put(struct bed *b, const char *text);
int bed_step_raw(struct bed *b);
/* Decide, and carry it out. */
void bed_step(struct bed *b);
void bed_is(struct bed *b, enum record_field f, const char *text);
/* For the first time, with theme A and n 1 as the base. */
void bed_meet(struct bed *b, const char *file);
bool bed_told(const struct bed *b, const char *type);
