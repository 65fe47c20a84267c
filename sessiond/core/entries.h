/* What a turn has answered so far: an ordered list of entries, fed with snapshots, read
 * as patches.
 *
 * Zed sends each entry's whole text again and again; an identical one costs a compare, a
 * grown one only its tail. Two readers (what subscribers were told, what is stored) each
 * take what is new to them since they last asked. */
#pragma once

#include "base/buf.h"
#include "base/slice.h"

#include <stdint.h>

enum entry_type { ENTRY_TEXT, ENTRY_TOOL_CALL };

enum {
	ENTRIES_MAX = 4096,
	ENTRIES_BYTES_MAX =
	    32 * 1024 * 1024, /* of one turn; more is cut off and said so */
	ENTRY_ID_MAX = 128,
	ENTRY_TOOL_MAX = 4096, /* tool_name, tool_status */
};

enum entries_reader {
	ENTRIES_TOLD,   /* subscribers */
	ENTRIES_STORED, /* the live log */
	ENTRIES_READER_N_
};

/* Strings are owned and clean (base/utf8.h); tool_* are "" when not given. */
struct entry {
	char *message_id;
	enum entry_type type;
	char *tool_name, *tool_status;
	char *content; /* NUL-terminated after n_content */
	size_t n_content, cap_content;
	size_t n_utf16; /* length of content in UTF-16 units */
	bool shown;     /* the fan-out's: it had content when it was last told */

	/* private */
	bool raw_is_clean; /* cleaning never changed anything: the raw text can be
			      compared as it is */
	struct {
		size_t n, n_utf16; /* of content that the reader has */
		bool meta;         /* there is news besides an appended tail */
	} seen[ENTRIES_READER_N_];
};

struct entries {
	struct entry *v; /* in order of first appearance */
	size_t n, cap;
	size_t n_bytes; /* of all contents */
	bool truncated; /* the limit was reached */
	bool dirty[ENTRIES_READER_N_];
};

#define ENTRIES_NULL ((struct entries){0})

void entries_deinit(struct entries *e);

/* What Zed says of one entry; all borrowed. */
struct entry_update {
	const char *message_id;
	const char
	    *type; /* "text", "tool_call", "" or NULL: concluded from the content */
	const char *tool_name, *tool_status; /* NULL or "": unchanged */
	struct slice content;                /* valid UTF-8 */
};

enum entries_outcome {
	ENTRIES_SAME, /* nothing is new */
	ENTRIES_CHANGED,
	ENTRIES_ADDED,   /* a new entry */
	ENTRIES_REFUSED, /* over a limit: not taken, truncated is set */
};

enum entries_outcome entries_put(struct entries *e, const struct entry_update *u);
/* Append to the entry (legacy chunks); made when missing. */
enum entries_outcome entries_append(
    struct entries *e, const char *message_id, struct slice text);
struct entry *entries_find(const struct entries *e, const char *message_id);
/* Entries with content: what every list shows. */
size_t entries_n_shown(const struct entries *e);
bool entries_empty(const struct entries *e);
/* Contents that are not empty, joined by blank lines. */
void entries_text(const struct entries *e, struct buf *out);
/* The last entry is a tool call that has not ended. */
bool entries_tool_running(const struct entries *e);

/* One piece of news: text becomes old[0:offset] + append. */
struct entry_patch {
	size_t index; /* in entries.v */
	const struct entry *entry;
	size_t offset, offset_utf16;
	struct slice append; /* borrowed from the entry until the next change */
	bool meta;           /* type or tool_* may be news, or the text was cut */
};

/* The next patch for @reader, at most @max_append bytes of text (cut at a character);
 * false when it has everything. The reader counts as having it at once. */
bool entries_next_patch(struct entries *e, enum entries_reader reader, size_t max_append,
    struct entry_patch *out);
/* The reader knows nothing any more (everything is news), or everything. */
void entries_rewind(struct entries *e, enum entries_reader reader);
void entries_catch_up(struct entries *e, enum entries_reader reader);

/* Rebuild from stored patches, in order: false if one does not fit (offset beyond the
 * text, index out of order). */
struct entry_stored {
	size_t index;
	const char *message_id;
	enum entry_type type;
	const char *tool_name, *tool_status;
	size_t offset;
	struct slice append;
};
bool entries_apply(struct entries *e, const struct entry_stored *p);

const char *entry_type_name(enum entry_type t);
