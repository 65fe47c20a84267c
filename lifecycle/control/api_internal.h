/* Between the files of the api. */
#pragma once

#include "lifecycle/control/api.h"
#include "lifecycle/wire.h"

enum {
	API_CALLS_MAX = 4096,
	API_DECIDE_MS = 4000, /* a stored command that is not decided by then is answered
				 as accepted */
	REPLY_SUBJECT_MAX = 256,
	REPLY_BYTES_MAX = 900 * 1000,
};

struct api {
	struct control *c;
	struct list calls; /* struct call.link */
};

/* One request until it is answered. */
struct call {
	struct list_link link;
	struct api *api;
	enum codec_encoding enc;
	const char *verb; /* static */
	int64_t arrived_mono_us;
	bool answered;        /* kept only until its last answer from the store is in */
	unsigned n_under_way; /* answers of the store and the desk that refer to this */
	struct wheel_timer timer;
	uint64_t seq;  /* of the stored command; 0: not stored */
	bool repeated; /* the broker had it stored already: its answer is a duplicate */
	struct command cmd;
	struct query query;
	struct entry *e;           /* a job of it is at this desk, or it waits here */
	struct list_link by_entry; /* struct entry.waiters */
	char reply[REPLY_SUBJECT_MAX];
};

/* Answer and be done; the call is gone, or goes when nothing refers to it any more. */
void call_reply(struct call *call, const struct buf *body);
void call_reply_record(struct call *call, const struct instance *rec, bool duplicate);
void call_reply_error(struct call *call, int code, const char *message);
/* One reference fewer. False: the call had been answered; it may be gone. */
bool call_arrived(struct call *call);
/* The tenant: subject, else body, else "default"; ERROR_INVALID if subject and body
 * differ. */
int call_tenant(struct id *body, const struct id *subject, struct err *e) MUST_CHECK;

/* api_read.c: what changes nothing. @call->query is decoded. */
void call_get(struct call *call);
void call_wait(struct call *call);
void call_list(struct call *call);
void call_runners(struct call *call);
void call_scale(struct call *call);
/* api_write.c */
void call_command(struct call *call);
void call_force_lost(struct call *call);
