/* Between the files of the mirror. */
#pragma once

#include "lifecycle/control/mirror.h"

enum {
	MIRROR_INSTANCES = 1,
	MIRROR_REPORTS = 2,
	MIRROR_RUNNERS = 4,
	MIRROR_ALL = 7,
};

/* The record is gone. The entry may be freed by the callback's owner through
 * mirror_release. */
void entry_clear(struct mirror *m, struct entry *e);
/* A report of its runner came in; an older placement's is ignored. */
void entry_report(struct mirror *m, struct entry *e, const struct report *r);
/* The number of instances it holds has changed. */
void runner_count(struct mirror *m, struct runner *r);
/* Its record came in (@info is taken and nulled) or is gone (NULL). */
void runner_put_info(
    struct mirror *m, struct runner *r, struct runner_info *info, uint64_t revision);
