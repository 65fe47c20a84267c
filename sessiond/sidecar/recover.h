/* At start: what a write that did not end left behind is settled. Blocks on the disk. */
#pragma once

#include "sessiond/sidecar/state_dir.h"

/* What a commit that did not end left behind. */
enum recovery {
	RECOVERY_NONE,   /* nothing was under way */
	RECOVERY_NEW,    /* it had been written */
	RECOVERY_OLD,    /* it had not */
	RECOVERY_TORN,   /* half of it had: written again, whole */
	RECOVERY_EDITED, /* somebody saved since: what was under way is the server's news,
			    their save is the user's */
};

struct recovered {
	enum recovery what;
	struct record last; /* owned: what was last applied, for the next step */
	/* EDITED: the base that was being applied, not in @last */
	struct record under_way;
	bool remembered;  /* @last is what another start would find */
	char problem[256]; /* what was there and could not be read; "" */
};

/**
 * recover_write() - at start
 * @path: the settings file, symlinks resolved
 *
 * An unreadable record counts as none; a damaged one is moved aside.
 *
 * Return: 0; -errno: the file cannot be read or repaired (@e; nothing was changed)
 */
int recover_write(struct state_dir *s, const char *path, struct recovered *out,
    struct err *e) MUST_CHECK;
void recovered_deinit(struct recovered *r);
const char *recovery_name(enum recovery r);

/* What came of the write @note tells of, by what the file says (@exists false: there is
 * none). Never RECOVERY_NONE. */
enum recovery recover_classify(bool exists, struct slice is, const struct record *note);
/* EDITED: @last as the next step needs it, so that the save is compared with the text
 * before the write. */
void recover_take_edited(struct record *last, const struct record *note);
