/* Between the files of the desk. */
#pragma once

#include "lifecycle/control/desk.h"

enum {
	DESK_TRIES_MAX = 20, /* conflicts in a row before a command is left for later */
	DESK_RETRY_MS = 1000,
	EVENTS_A_STEP = 6, /* a command and what follows by itself add at most so many */
};

/* A delivery to be acknowledged once all that follows from a revision has been done. */
struct ack {
	struct list_link link;
	uint64_t revision;
	bool term;
	char subject[];
};

struct desk {
	struct control *c;
	struct entry *e;

	/* deciding and writing; the struct job under way is in no list */
	struct list jobs; /* struct job.link */
	struct job *job;
	bool busy;        /* reading or writing */
	unsigned n_holds; /* callers that go on using the desk: it neither runs nor goes
			     meanwhile */
	bool look;        /* what happens by itself is to be applied */
	bool known; /* the entry holds what the leader said, or what we wrote, in this run
		     */
	bool full;  /* waits until events of before are published: there is no room for
		       more */
	unsigned n_tries;
	uint64_t absent_revision; /* of the deletion of the record, when there is none */
	unsigned n_reads;         /* under way */
	int read_code;            /* of the record, when it could not be read */
	uint64_t asked_from;      /* of the stream, for a command before ours */
	int next_code;            /* 0: next_seq was found */
	uint64_t next_seq;
	struct job *earlier;  /* the command before ours, if there is one */
	struct instance next; /* being written */
	struct verdict verdict;
	struct runner *reserved; /* that the record being written places it on */

	/* settling: what follows from the record */
	bool settling, settle_again;
	struct instance target;
	struct spec *spec; /* owned; of an accepted start, until it is stored */
	int64_t start_arrived_mono_us; /* of that start */
	unsigned n_effects;
	int effect_code;
	char effect_detail[192];
	bool ring;
	struct list acks; /* struct ack.link */
	struct wheel_timer retry;
};

void desk_run(struct desk *d);
void desk_settle_begin(struct desk *d);
/* Settling is over for @d's target, or failed. */
void desk_settled(struct desk *d);
void desk_add_ack(struct desk *d, const struct job *j);
