/* The answer of one turn as it grows: its entries, kept up by deltas and snapshots, and
 * shown on a stream of text. */
#pragma once

#include "base/buf.h"
#include "base/jsn.h"

struct answer_entry {
	char *message_id;
	bool is_tool;
	struct buf text;
	struct buf shown;       /* what of it is on the screen */
	char shown_status[64];  /* tool calls */
};

struct answer {
	struct answer_entry *entries; /* in order of first appearance */
	size_t n_entries, cap_entries;
	bool is_tty;
	size_t i_shown; /* entry on the screen's last line, when any_shown */
	bool any_shown;
};

void answer_init(struct answer *a, bool is_tty);
void answer_deinit(struct answer *a);
/* text = old[0:offset] + append, cut to total; offsets in UTF-16 units. */
void answer_delta(struct answer *a, const struct jsn *delta);
/* Entries as an interaction lists them. */
void answer_snapshot(struct answer *a, const struct jsn *entries);
/* Print to stdout what is new. */
void answer_show(struct answer *a);
