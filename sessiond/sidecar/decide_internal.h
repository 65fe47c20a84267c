/* The parts of a decision, and what they share. */
#pragma once

#include "sessiond/sidecar/decide.h"

struct decision {
	const struct decide_input *in;
	struct decide_output *out;
	struct arena *a;
	struct err *e;
	struct settings_input plan;
	struct policy policy;
	struct overrides u, held;
	struct overrides seen;  /* what the server has */
	struct overrides aware; /* what it had of them when the base came to be */
	struct slice last;
	struct slice merged; /* @in->file with what its editor had not seen; p NULL: it had */
};

/* An object, or NULL in *@out when @text is absent or blank. 0; ERROR_INVALID: @what cannot
 * be used */
int decision_read_doc(struct decision *d, const char *what, struct slice text,
    struct jval **out) MUST_CHECK;
int decision_read_overrides(struct decision *d, const char *what, struct slice text,
    struct overrides *out) MUST_CHECK;
void decision_remember_overrides(
    struct decision *d, enum record_field f, const struct overrides *o);
bool decision_text_same(struct slice a, struct slice b);

/* what waits */

void decision_remember_held(struct decision *d);
/* Values that gave way when the file was first met: kept, for who wants them back. */
void decision_remember_first(struct decision *d);
int decision_answer_first(struct decision *d) MUST_CHECK;
/* A save after the one that removed so much, and it is still missing: it is meant. */
bool decision_held_again(const struct decision *d);
void decision_confirm_held(struct decision *d);

/* The file takes back all that was written last. False: it does not. */
bool decision_is_stale(struct decision *d);
/* If so, and its editor cannot have seen that write, or hardly: d->merged. */
void decision_merge_stale(struct decision *d);
/* An event, if it is. */
void decision_tell_stale(struct decision *d, bool stale);

/* uploads */

/* If there is something to upload and nothing under way. */
int decision_make_post(struct decision *d) MUST_CHECK;
