/* The index of all sessions. What is found here exists in the store; what is being made
 * is not found yet. */
#include "sessiond/gateway/agents.h"
#include "sessiond/gateway/fanout.h"
#include "sessiond/gateway/history.h"
#include "sessiond/gateway/session.h"
#include "sessiond/gateway/session_switch.h"
#include "sessiond/gateway/talk.h"

#include "base/clock.h"
#include "base/must.h"
#include "sessiond/metrics.h"

struct sessions *sessions_new(struct gateway *g)
{
	struct sessions *ss = calloc(1, sizeof(*ss));

	must(ss);
	ss->g = g;
	list_init(&ss->all);
	return ss;
}

struct sessions *sessions_free(struct sessions *ss)
{
	struct list_link *l;

	if (!ss)
		return NULL;
	while ((l = list_first(&ss->all)))
		session_drop(list_entry(l, struct session, all_link));
	map_for_each (it, ss->creating)
		session_drop(map_value(it));
	map_clear(&ss->creating);
	free(ss);
	return NULL;
}

/* ---- groups ---- */

static struct session_group *group_get(struct map **m, const char *name)
{
	struct session_group *gr = map_get(*m, slice_of(name));

	if (gr)
		return gr;
	gr = calloc(1, sizeof(*gr));
	must(gr);
	list_init(&gr->members);
	str_set(&gr->name, name);
	map_put(m, slice_of(name), gr);
	return gr;
}

static void group_leave(struct map **m, struct session_group **gr, struct list_link *link)
{
	if (!*gr)
		return;
	list_del(&(*gr)->members, link);
	if ((*gr)->members.n == 0) {
		map_del(m, slice_of((*gr)->name));
		free((*gr)->name);
		free(*gr);
	}
	*gr = NULL;
}

static bool session_older(const struct session *a, const struct session *b)
{
	if (a->rec.created_unix_ms != b->rec.created_unix_ms)
		return a->rec.created_unix_ms < b->rec.created_unix_ms;
	return strcmp(a->rec.id.s, b->rec.id.s) < 0;
}

/* By creation. New ones belong at the end, so the walk from there is short. The store
 * lists in another order: while it does they are only appended, and sorted when it is
 * done (sessions_sort). */
#define GROUP_INSERT(list_head, member, s)                                               \
	do {                                                                             \
		struct list_link *at_ = &(list_head)->head;                              \
		while (                                                                  \
		    (s)->g->sessions->synced && at_->prev != &(list_head)->head &&       \
		    session_older((s), list_entry(at_->prev, struct session, member)))   \
			at_ = at_->prev;                                                 \
		list_insert_before((list_head), at_, &(s)->member);                      \
	} while (0)

static int session_compare(const void *a, const void *b)
{
	const struct session *const *x = a, *const *y = b;

	return session_older(*x, *y) ? -1 : session_older(*y, *x);
}

#define GROUP_SORT(list_head, member, scratch)                                           \
	do {                                                                             \
		struct list_link *l_;                                                    \
		size_t n_ = 0;                                                           \
		while ((l_ = list_pop(list_head)))                                       \
			(scratch)[n_++] = list_entry(l_, struct session, member);        \
		qsort((scratch), n_, sizeof(*(scratch)), session_compare);               \
		for (size_t i_ = 0; i_ < n_; i_++)                                       \
			list_push((list_head), &(scratch)[i_]->member);                  \
	} while (0)

void sessions_sort(struct sessions *ss)
{
	struct session **scratch = calloc(ss->all.n ? ss->all.n : 1, sizeof(*scratch));

	must(scratch);
	GROUP_SORT(&ss->all, all_link, scratch);
	map_for_each (it, ss->by_owner) {
		struct session_group *gr = map_value(it);

		GROUP_SORT(&gr->members, owner_link, scratch);
	}
	free(scratch);
}

static void session_enter_owner(struct session *s)
{
	if (!s->rec.owner)
		return;
	s->owner_group = group_get(&s->g->sessions->by_owner, s->rec.owner);
	GROUP_INSERT(&s->owner_group->members, owner_link, s);
}

static void session_enter_claim(struct session *s)
{
	if (!s->rec.agent_id)
		return;
	s->claim_group = group_get(&s->g->sessions->by_claim, s->rec.agent_id);
	list_push(&s->claim_group->members, &s->claim_link);
}

/* ---- finding ---- */

struct session *sessions_find(const struct sessions *ss, const char *id)
{
	return map_get(ss->by_id, slice_of(id));
}

struct session *sessions_by_thread(const struct sessions *ss, const char *thread_id)
{
	return map_get(ss->by_thread, slice_of(thread_id));
}

struct session *sessions_by_token(const struct sessions *ss, const char *sha256)
{
	return map_get(ss->by_token, slice_of(sha256));
}

struct list *sessions_claiming(const struct sessions *ss, const char *id)
{
	struct session_group *gr = map_get(ss->by_claim, slice_of(id));

	return gr ? &gr->members : NULL;
}

struct list *sessions_of(const struct sessions *ss, const char *owner)
{
	struct session_group *gr = map_get(ss->by_owner, slice_of(owner));

	return gr ? &gr->members : NULL;
}

const char *session_id(const struct session *s)
{
	return s->rec.id.s;
}

const char *session_owner(const struct session *s)
{
	return s->rec.owner ? s->rec.owner : "";
}

const char *session_app_id(const struct session *s)
{
	return s->rec.app_id ? s->rec.app_id : "";
}

const struct session_rec *session_rec(const struct session *s)
{
	return &s->rec;
}

/* ---- changing ---- */

/* Another session may have taken the thread or token since: only an own entry is removed.
 */
static void index_leave(struct map **m, const char *key, const struct session *s)
{
	if (key && map_get(*m, slice_of(key)) == s)
		map_del(m, slice_of(key));
}

void session_set_thread(struct session *s, const char *thread_id)
{
	index_leave(&s->g->sessions->by_thread, s->rec.thread_id, s);
	str_set(&s->rec.thread_id, thread_id);
	if (thread_id)
		map_put(&s->g->sessions->by_thread, slice_of(thread_id), s);
}

void session_set_owner(struct session *s, const char *owner)
{
	group_leave(&s->g->sessions->by_owner, &s->owner_group, &s->owner_link);
	str_set(&s->rec.owner, owner);
	session_enter_owner(s);
}

void session_set_agent_id(struct session *s, const char *agent_id)
{
	group_leave(&s->g->sessions->by_claim, &s->claim_group, &s->claim_link);
	str_set(&s->rec.agent_id, agent_id);
	session_enter_claim(s);
}

static void session_index_tokens(struct session *s, bool enter)
{
	struct map **m = &s->g->sessions->by_token;

	for (size_t i = 0; i < s->rec.n_tokens; i++) {
		index_leave(m, s->rec.tokens[i].sha256, s);
		if (enter)
			map_put(m, slice_of(s->rec.tokens[i].sha256), s);
	}
}

void session_add_token(struct session *s, const struct session_token *t)
{
	session_index_tokens(s, false);
	session_rec_add_token(&s->rec, t);
	session_index_tokens(s, true);
}

void session_clear_tokens(struct session *s)
{
	session_index_tokens(s, false);
	s->rec.n_tokens = 0;
}

void session_note_activity(struct session *s)
{
	s->rec.updated_unix_ms = clock_unix_ms();
}

void session_touch(struct session *s)
{
	session_note_activity(s);
	durable_touch(&s->cell);
}

/* ---- entering and leaving ---- */

void session_index(struct session *s)
{
	struct sessions *ss = s->g->sessions;

	must(!map_put(&ss->by_id, slice_of(s->rec.id.s), s));
	GROUP_INSERT(&ss->all, all_link, s);
	session_enter_owner(s);
	session_enter_claim(s);
	if (s->rec.thread_id)
		map_put(&ss->by_thread, slice_of(s->rec.thread_id), s);
	session_index_tokens(s, true);
	metric_set(M_sessions, (int64_t)ss->all.n);
}

static void session_unindex(struct session *s)
{
	struct sessions *ss = s->g->sessions;

	if (!list_linked(&s->all_link))
		return;
	map_del(&ss->by_id, slice_of(s->rec.id.s));
	list_del(&ss->all, &s->all_link);
	group_leave(&ss->by_owner, &s->owner_group, &s->owner_link);
	group_leave(&ss->by_claim, &s->claim_group, &s->claim_link);
	index_leave(&ss->by_thread, s->rec.thread_id, s);
	session_index_tokens(s, false);
	metric_set(M_sessions, (int64_t)ss->all.n);
}

void session_drop(struct session *s)
{
	s->deleting = true;
	agents_session_gone(s);
	fanout_session_deinit(s);
	session_unindex(s);
	history_deinit(s);
	switch_deinit(s);
	talk_deinit(s);
	session_removal_abort(s);
	durable_deinit(&s->cell);
	free(s->typed);
	session_rec_deinit(&s->rec);
	free(s);
}
