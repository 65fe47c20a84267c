/* One step of the sidecar as a pure function over records: what was last applied, what
 * the file says, what the server has now; out come the next record, whether the file must
 * be written and what is to be told. Texts in, texts out: every step stands alone. */
#pragma once

#include "sessiond/core/settings_plan.h"
#include "sessiond/sidecar/record.h"

#define DECIDE_NO_OVERRIDES "{\"set\":{},\"del\":[]}"

/* What somebody decided about something that waits. */
enum decide_answer {
	DECIDE_NOTHING,
	DECIDE_CONFIRM, /* a bulk deletion counts; what first contact replaced is
			   forgotten */
	DECIDE_UNDO,    /* the deleted comes back; what was replaced is taken again */
};

struct decide_input {
	const struct record *last; /* without RECORD_TEXT: nothing was ever applied */
	const struct slice *file;  /* NULL: there is none */
	/* From the server; p NULL: not known, what was last known counts. An empty policy
	 * is the built-in one. */
	struct slice base, policy, server;
	struct slice base_tag, server_tag;
	bool plain; /* the server takes whole objects and gives nothing back */
	bool migrating; /* the editor has just brought its settings up to date */
	/* what the last write replaced, and by what; p NULL: not known */
	struct slice before, after;
	int64_t since_write_us; /* from that write to when the file was saved */
	enum decide_answer bulk, first;
	/* Names for what this step may make: an upload (NULL: none is to be made), and
	 * something that waits. */
	const char *op_id, *wait_id;
	const char *client; /* whose upload it is; NULL: it does not say */
	int64_t now_unix_ms;
};

struct decide_output {
	struct arena arena;          /* of @plan */
	struct settings_output plan; /* state, error, events */
	struct record next;          /* what is in force when the step is carried out */
	bool write;                  /* the file shall say next's RECORD_TEXT */
	bool remember;               /* @next differs from what was */
};

/**
 * decide() - the next step
 * @out: freed with decide_output_deinit, on failure too
 *
 * When plan.state is not SETTINGS_OK, or plan.edit_failed, nothing is to be done: @next
 * is what was.
 *
 * Return: 0; ERROR_INVALID: @e says which text cannot be used
 */
int decide(
    const struct decide_input *in, struct decide_output *out, struct err *e) MUST_CHECK;
void decide_output_deinit(struct decide_output *out);

/* The revision an ETag of sessiond's is of; -1: it is none. */
int64_t decide_tag_revision(struct slice tag);
/* The upload under way was taken; @server_tag: the ETag of what the server has now. */
void decide_posted(struct record *r, struct slice server_tag);
/* The server will never take it: it is not sent again as it is. */
void decide_refused(struct record *r);
/* It is to be made anew. */
void decide_stale(struct record *r);

/**
 * decide_change_session() - what is remembered is of another session
 *
 * The file is as it is known to be; what the other session's server has is not this
 * one's. What no server has yet is still the user's: it goes to this one's. So do values
 * that gave way at first contact, for who wants them back.
 */
void decide_change_session(struct record *r);

enum decide_wait { DECIDE_WAIT_BULK, DECIDE_WAIT_FIRST, DECIDE_WAIT_N_ };

struct decide_waiting {
	struct slice id; /* borrowed from the record */
	int64_t since_unix_ms;
};

const char *decide_wait_name(enum decide_wait w);
/* False: nothing of that kind waits. */
bool decide_waits(const struct record *r, enum decide_wait w, struct decide_waiting *out);
