/* The journal of the state folder: three files, each with one record, overwritten in
 * place. A record goes into the one that is neither what was last applied nor what is
 * being applied, so that one write and one sync of it make it durable, and a write that
 * was cut off has hurt nothing. What a record counts as stands in a line in front of it
 * and is changed alone. Blocks on the disk; any thread, one at a time. */
#pragma once

#include "base/err.h"
#include "sessiond/sidecar/record.h"

enum {
	SLOTS_N = 3,
	SLOTS_SUM_LEN = 64,
};

enum slot_word {
	SLOT_FREE,
	SLOT_LAST, /* what was last applied: the newest of these */
	SLOT_NEXT, /* what is being applied */
	SLOT_BAD,  /* none of ours */
	SLOT_WORD_N_
};

struct slot {
	int fd;
	enum slot_word word;
	uint64_t order; /* of what it counts as; higher is newer */
	size_t n;       /* bytes of its record */
	size_t n_room;  /* of the file: grows in steps, never shrinks */
	char sum[SLOTS_SUM_LEN + 1]; /* of its record: a line in front of another is none */
};

struct slots {
	int dir_fd;       /* borrowed */
	const char *path; /* of that, for messages; borrowed */
	uint64_t order;
	struct slot s[SLOTS_N];
};

/* Open them, make those that are not there. 0; -errno */
int slots_open(struct slots *s, int dir_fd, const char *path, struct err *e) MUST_CHECK;
void slots_close(struct slots *s); /* legal twice after an open, failed or not */

/* The newest whole record of that word; others are moved aside, to be looked at. Return:
 * 0; -ENOENT; ERROR_INVALID: there was one, but none that is whole; -errno */
int slots_load(struct slots *s, enum slot_word word, struct record *out,
    struct err *e) MUST_CHECK;
/* Whole or not at all; durable when it returns 0. */
int slots_save(struct slots *s, enum slot_word word, const struct record *r,
    struct err *e) MUST_CHECK;
/* The newest record of that word counts as @to now, durably. 0, also when there is none;
 * -errno */
int slots_turn(struct slots *s, enum slot_word word, enum slot_word to,
    struct err *e) MUST_CHECK;
