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
	struct job *earlier;    /* the command before ours, if there is one */
	struct instance next;   /* being written */
	uint64_t base_event_no; /* of the record it was made from */
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

/* desk.c: begin the next thing, if nothing is under way; @d may be gone after it */
void desk_run(struct desk *d);
void desk_insert_job(struct desk *d, struct job *j);
/* The end of a job: whoever waits is told, the delivery acknowledged once all is settled.
 */
void job_finish(struct desk *d, struct job *j, const struct verdict *v);
/* Not decided now. A stored command stays in the stream. */
void job_postpone(struct desk *d, struct job *j, int code, const char *why);
/* The spec of an accepted start is stored while settling: moved from @j to the desk. */
void desk_take_spec(struct desk *d, struct job *j);

/* desk_decide.c */
void desk_begin(struct desk *d, struct job *j);
void desk_do_look(struct desk *d);
/* Read the record anew, for a look that met a conflict. */
void desk_read(struct desk *d);

/* desk_write.c: write d->next; d->job, if any, ends with d->verdict; @d may be gone after
 * these */
void desk_write(struct desk *d);
void desk_fail(struct desk *d, int code, const char *detail);

/* desk_settle.c */
void desk_settle_begin(struct desk *d);
/* Settling is over for d->target, or was done before. */
void desk_settled(struct desk *d);
void desk_add_ack(struct desk *d, const struct job *j);
