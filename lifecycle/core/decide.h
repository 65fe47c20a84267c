/* Commands: what each does to the record, by what is there. Pure: the shell reads the
 * record, decides here, and writes the result by compare-and-set. */
#pragma once

#include "lifecycle/core/command.h"
#include "lifecycle/core/instance.h"

/* One command, in stream order. */
struct decide_in {
	const struct command
	    *cmd; /* checked; NULL when it could not be understood: see refused */
	const char *command_id; /* "" for none */
	int64_t stream_ms;      /* when the stream was created */
	uint64_t seq;           /* in it; above the record's instance_cmd_order (must) */
	int64_t published_unix_ms; /* when the broker stored it: a start's deadline counts
				      from then */
	int64_t now_unix_ms;
	/* start: of the spec as it would be stored, and with every default filled in */
	struct hash spec_hash, effective_hash;
	/* start: ERROR_NONE, or why no runner can run it with this profile; a repeated
	 * start is not refused for that */
	int profile_code;
	const char *profile_text;
	/* ERROR_NONE, or why it is refused whatever the record says (malformed; profile)
	 */
	int refused;
	const char *refused_text;
};

struct verdict {
	int code;                  /* 0, or the enum error_code it is refused with */
	char text[DETAIL_MAX + 1]; /* of a refusal */
	bool duplicate;  /* it had been carried out before, or asks for what is there */
	bool store_spec; /* accepted start: its spec is the one to store */
};

/**
 * decide() - carry out a command on a record
 * @i: a copy of the record, changed in place; for "no record" INSTANCE_NULL with tenant
 * and instance_id
 *
 * Always advances cmd_order and remembers the answer. At most 3 events are added. A
 * refused command adds "rejected"; one that changes nothing (duplicate, stop of what is
 * stopped) adds none.
 */
void decide(struct instance *i, const struct decide_in *in, struct verdict *out);

/* The remembered answer to the command with @seq; false if it is no longer remembered. */
bool decided_answer(
    const struct instance *i, int64_t stream_ms, uint64_t seq, struct verdict *out);
