/* What this replica knows of instances and runners: a copy of the buckets, fed by their
 * changes, with the indexes that placement, lists and timers need. A copy: decisions are
 * made on it only because the compare-and-set that follows fails if it was out of date.
 */
#pragma once

#include "base/io/store.h"
#include "base/list.h"
#include "base/map.h"
#include "base/wheel.h"
#include "lifecycle/core/instance.h"
#include "lifecycle/core/placement.h"
#include "lifecycle/core/runner_info.h"

enum {
	RUNNER_LIVE_MS = 6000,    /* heard of within: can be given instances */
	RUNNER_SILENT_MS = 30000, /* not heard of for: its instances are UNKNOWN */
	KEY_MAX = 3 * (ID_MAX + 1) + 1,
};

struct runner;
struct desk;

/* An instance. */
struct entry {
	struct mirror *mirror;
	struct id tenant, instance_id;
	struct instance rec;   /* revision 0: no record known */
	struct report *report; /* owned; the latest of its present placement, or NULL */
	uint64_t told; /* every event up to this number is known to be published */
	bool seen;     /* in the listing under way */
	struct assignment
	    sent; /* what this process last stored as its assignment; fence 0: nothing */
	uint64_t cleaned;  /* generation whose spec and assignment this process deleted at
			      its end */
	struct desk *desk; /* work under way, or NULL */
	struct runner *runner; /* that holds it, or NULL */
	struct list_link by_runner, by_pending, unsettled;
	struct list waiters;      /* struct wait.link */
	struct wheel_timer timer; /* the next thing that happens by itself */
	bool sorted;
};

struct runner {
	struct id id;
	struct runner_info info;
	uint64_t revision;     /* of its record; 0: none known */
	int64_t heard_boot_ms; /* 0: never */
	int64_t heard_unix_ms;
	bool draining;     /* in its last heartbeat */
	bool live, silent; /* as last looked at */
	bool seen;
	struct list held; /* struct entry.by_runner */
	int n_reserved;   /* placements being written */
	uint32_t n_free;  /* slots, if it is live */
	size_t i_candidate;
};

struct mirror_callbacks {
	void (*entry_changed)(void *data, struct entry *e); /* record or report */
	void (*runner_changed)(
	    void *data, struct runner *r); /* live, silent, or its record */
	void (*room)(void *data);          /* a live runner has a free slot more */
	void (*synced)(void *data);        /* all three listings are in */
	void *data;
};

struct mirror {
	struct mirror_callbacks cb;
	struct map *entries;   /* "<tenant>.<instance>" -> struct entry */
	struct map *runners;   /* id -> struct runner */
	struct entry **sorted; /* entries with a record, by key */
	size_t n_sorted, cap_sorted;
	struct candidate *candidates; /* one a runner */
	struct runner **candidate_runners;
	size_t n_candidates, cap_candidates;
	uint32_t n_free;     /* slots of live runners */
	struct list pending; /* struct entry.by_pending: PENDING, oldest first */
	size_t n_by_state[STATE_N_];
	unsigned synced;       /* bits of the buckets listed since the connection */
	int64_t judge_boot_ms; /* silence counts from here at the earliest; 0: not
				  connected */
};

void mirror_init(struct mirror *m, const struct mirror_callbacks *cb);
void mirror_deinit(struct mirror *m);
/* Watch the buckets. */
int mirror_watch(struct mirror *m, struct store *s, struct err *e) MUST_CHECK;
bool mirror_is_synced(const struct mirror *m);
/* The connection is up (silence counts from now), or down (nothing is judged). */
void mirror_connected(struct mirror *m, int64_t boot_ms);
void mirror_disconnected(struct mirror *m);

struct entry *mirror_find(
    const struct mirror *m, const struct id *tenant, const struct id *id);
/* Find or make. What is empty and unused goes with mirror_release. */
struct entry *mirror_entry(
    struct mirror *m, const struct id *tenant, const struct id *id);
void mirror_release(struct mirror *m, struct entry *e);
/* Take over a record that was read or written, if it is newer; copied. */
void mirror_put(struct mirror *m, struct entry *e, const struct instance *rec);

/* Events up to @event_no are known to be published. */
void mirror_told(struct entry *e, uint64_t event_no);
/* The leader says that there is no record; @revision of its deletion, 0 if there never
 * was one. */
void mirror_gone(struct mirror *m, struct entry *e, uint64_t revision);

struct runner *mirror_runner(struct mirror *m, const struct id *id);
const struct runner *mirror_find_runner(const struct mirror *m, const struct id *id);
void mirror_heartbeat(
    struct mirror *m, const struct heartbeat *h, int64_t boot_ms, int64_t unix_ms);
/* A placement on @r is being written (+1) or is over (-1): it counts as held meanwhile.
 */
void mirror_reserve(struct mirror *m, struct runner *r, int n);
/* Look at the clocks of all runners; tells runner_changed. */
void mirror_judge(struct mirror *m, int64_t boot_ms);
/* How long the runner has been silent, as far as this replica may judge; 0 while not
 * connected. */
int64_t mirror_silence_ms(
    const struct mirror *m, const struct id *runner, int64_t boot_ms);
/* Index of the first sorted entry whose key is above "<tenant>.<after>" ("" for the first
 * of the tenant). */
size_t mirror_seek(const struct mirror *m, const struct id *tenant, const char *after);
uint32_t mirror_free_slots(const struct mirror *m);
