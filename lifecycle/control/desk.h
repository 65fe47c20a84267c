/* One instance at work: commands are decided on it in stream order, what happens by
 * itself is applied, the record is written by compare-and-set, and what follows from it
 * is settled. One desk an instance, one write at a time. */
#pragma once

#include "lifecycle/control/control.h"
#include "lifecycle/core/decide.h"

struct desk;

enum {
	DESK_JOBS_MAX = 512,
	ACK_SUBJECT_MAX = 256,
};

/* How a command ended. @rec: the record after it (borrowed; NULL with the codes below).
 * verdict->code may also be ERROR_UNAVAILABLE: not decided now; a stored command will be.
 */
typedef void desk_done_cb(
    void *data, const struct verdict *v, const struct instance *rec);

enum job_kind { JOB_COMMAND, JOB_FORCE_LOST };

/* Work for a desk. Owned by it from desk_submit on. */
struct job {
	struct list_link link; /* struct desk.jobs, by seq */
	enum job_kind kind;
	struct id tenant, instance_id;
	uint64_t seq;       /* of the command in the stream */
	struct command cmd; /* COMMAND_NULL when refused */
	int refused; /* ERROR_NONE, or why it cannot be carried out whatever the record
			says */
	char refused_text[DETAIL_MAX + 1];
	char command_id[COMMAND_ID_MAX + 1];
	int64_t published_unix_ms;
	int64_t arrived_mono_us;
	char
	    ack[ACK_SUBJECT_MAX]; /* of its delivery; "" when it was not delivered here */
	bool missed;              /* was not found in the stream once */
	bool term;          /* a delivery never to be repeated (it is in LIFECYCLE_DLQ) */
	desk_done_cb *done; /* NULL: nobody waits */
	void *done_data;
};

struct job *job_new(
    enum job_kind kind, const struct id *tenant, const struct id *instance_id);
struct job *job_free(struct job *j); /* takes NULL */

/* Takes @j. Its callback comes once, from inside at times. */
void desk_submit(struct control *c, struct job *j);
/* Apply what happens by itself, soon. */
void desk_look(struct control *c, struct entry *e);
/* See to it that what follows from the record has been done. */
void desk_settle(struct control *c, struct entry *e);
/* Free all desks: the store is gone, and with it every answer. */
void desks_free(struct control *c);
