/* Values that carry the revision of the record they follow from ("order"): a put or
 * delete that comes late, from a replica that was held up, never undoes what a later
 * record led to. */
#pragma once

#include "base/io/store.h"

/* The order inside a stored value; false if it cannot be understood (then it is
 * replaced). */
typedef bool ordered_read(struct slice value, uint64_t *order_out);

/* code: 0 (stored, or something newer stands there: *newer), ERROR_UNAVAILABLE,
 * ERROR_TIMEOUT... (try again), -ECANCELED. */
typedef void ordered_cb(void *data, int code, bool newer, const char *detail);

struct ordered {
	const char *bucket; /* static */
	const char *key;    /* borrowed for the call */
	const char *record; /* borrowed for the call: key of the record it follows from */
	struct slice value; /* borrowed for the call; .p NULL: delete */
	uint64_t order;
	bool absent; /* put: most likely nothing was ever stored there, so try that first
		      */
	ordered_read *read;
	ordered_cb *cb;
	void *data;
};

/* Exactly one callback, later. A value of the same order counts as stored. */
void ordered_write(struct store *s, const struct ordered *o);
