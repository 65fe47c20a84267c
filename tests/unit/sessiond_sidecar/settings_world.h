/* A session's settings server and the sidecars of two editors on it, with everything that
 * is decided real (decide, records, recovery, what a server accepts) and everything that
 * can go wrong in between by chance: saves at any moment, crashes at any step of a write,
 * lost and repeated uploads, late answers, rollbacks. One seed gives one world. */
#pragma once

#include "sessiond/core/settings_accept.h"
#include "sessiond/sidecar/decide.h"
#include "sessiond/sidecar/recover.h"
#include "tests/unit/sessiond_core/settings_gen.h"
#include "tests/unit/sessiond_core/settings_props.h"

enum {
	WORLD_BOXES = 2,
	WORLD_VERSIONS = 64,
};

struct version {
	struct slice base;
	struct overrides u;
};

struct server {
	struct slice base; /* text */
	struct overrides u;
	unsigned revision, base_rev, u_rev;
	struct version history[WORLD_VERSIONS];
	size_t n_history;
	struct accepted {
		struct slice op_id;
		unsigned u_rev;
	} ops[WORLD_VERSIONS * 2];
	size_t n_ops;
};

/* One answer of the server, which may come late. */
struct answer {
	bool given;
	struct slice base, u;
	unsigned base_rev, u_rev;
};

/* A sidecar, its disk and the editor's file. */
struct box {
	/* the disk */
	struct record last, note;
	bool has_note;
	struct slice file;
	bool exists;
	bool unread; /* somebody saved, and no step has seen it */
	bool saved_after_crash;
	/* the process */
	bool running;
	struct record mem;
	struct answer late;
	unsigned base_rev, u_rev; /* newest heard of */
	unsigned n_writes;
};

struct world {
	struct gen g;
	struct arena a;
	uint64_t seed;
	struct policy policy;
	struct policy_walk *walk;
	struct slice policy_text; /* "": built in */
	struct server server;
	struct box boxes[WORLD_BOXES];
	unsigned n_names, n_events;
	const char *did;
};

void world_init(struct world *w, uint64_t seed);
void world_deinit(struct world *w);
/* Something happens. */
void world_event(struct world *w);
/* Nothing more happens: everything comes up, all answers arrive, everything that waits is
 * confirmed, until nobody has anything to do. */
void world_settle(struct world *w);
void world_rollback(struct world *w, size_t version);
/* The file of @b says what @merged says, and nothing else that is not its own. */
void world_check_file(
    struct world *w, const struct box *b, const struct jval *merged, enum prop prop);
struct jval *world_parse(struct world *w, struct slice text);
_Noreturn void world_broken(const struct world *w, enum prop prop, const char *detail);
