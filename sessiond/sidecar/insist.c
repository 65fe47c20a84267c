/* A small table by hash: two paths of one hash would be taken for one, which tells
 * something a little too early. */
#include "sessiond/sidecar/insist.h"

#include <string.h>

static uint64_t insist_hash(struct slice path)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < path.n; i++)
		h = (h ^ (unsigned char)path.p[i]) * UINT64_C(1099511628211);
	return h ? h : 1;
}

static struct insist_path *insist_find(struct insist *i, uint64_t hash)
{
	struct insist_path *oldest = &i->paths[0];

	for (size_t k = 0; k < INSIST_PATHS; k++) {
		struct insist_path *p = &i->paths[k];

		if (p->path == hash)
			return p;
		if (!p->path || (oldest->path && p->at[0] < oldest->at[0]))
			oldest = p;
	}
	*oldest = (struct insist_path){.path = hash};
	for (size_t k = 0; k < INSIST_TIMES; k++)
		oldest->at[k] = INT64_MIN;
	return oldest;
}

bool insist_note(struct insist *i, struct slice path, int64_t now_ms)
{
	struct insist_path *p = insist_find(i, insist_hash(path));
	int64_t first;

	memmove(&p->at[1], &p->at[0], sizeof(p->at) - sizeof(p->at[0]));
	p->at[0] = now_ms;
	first = p->at[INSIST_TIMES - 1];
	if (first == INT64_MIN || now_ms - first > INSIST_WITHIN_MS)
		return false;
	p->path = 0;
	return true;
}
