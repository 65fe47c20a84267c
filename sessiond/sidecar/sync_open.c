/* The start: where the file is, what is remembered of it, what was interrupted.
 *
 * happy path: folders, route, state folder, record read
 * failure modes: folders cannot be made (the file is as it is configured), no state
 * folder (nothing is remembered, and that is said), a write was interrupted (settled; if
 * that cannot be done now, before the first run that can) */
#include "sessiond/sidecar/sync_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "sessiond/sidecar/events.h"

int sync_make_folders(const struct sync *s)
{
	char themes[PATH_MAX];
	int n = (int)(strrchr(s->c.settings, '/') - s->c.settings), r;

	r = path_make_parents(s->c.settings);
	if (!r &&
	    snprintf(themes, sizeof(themes), "%.*s/themes", n, s->c.settings) < PATH_MAX)
		(void)mkdir(themes, 0700);
	return r;
}

/* The server's news that were being applied, when somebody saved after the crash. */
static void sync_take_under_way(struct sync *s, const struct record *under_way)
{
	const struct sync_base news = {.base = record_get(under_way, RECORD_BASE),
	    .policy = record_get(under_way, RECORD_POLICY),
	    .tag = record_str(under_way, RECORD_BASE_TAG)};

	sync_take_base(s, &news);
}

/* What is remembered is of another session. */
static void sync_check_session(struct sync *s)
{
	const char *was = record_str(&s->last, RECORD_SESSION);
	struct err e = ERR_NULL;

	if (!record_get(&s->last, RECORD_SESSION).p || strcmp(was, s->c.session_id) == 0)
		return;
	log_event(EV_session_changed, LF("was", was));
	if (state_backup(s->state, record_get(&s->last, RECORD_TEXT), &e))
		log_event(EV_record_not_kept, LF("detail", e.text));
	decide_change_session(&s->last);
	s->unsaved = true;
}

int sync_recover(struct sync *s, struct err *e)
{
	const struct path_route *route;
	struct recovered r = {0};
	struct err ignored = ERR_NULL;
	int rc = lookout_route(s->lookout, &route, &ignored);

	rc = recover_write(s->state, rc ? s->c.settings : route->real, &r, e);
	if (rc == 0) {
		s->recovered = true;
		s->recovery = r.what;
		s->unsaved = !r.remembered;
		record_copy(&s->last, &r.last);
		if (r.what == RECOVERY_EDITED)
			sync_take_under_way(s, &r.under_way);
		if (r.problem[0])
			log_event(EV_record_unreadable, LF("detail", r.problem));
		if (r.what != RECOVERY_NONE)
			log_event(
			    EV_settings_recovered, LF("found", recovery_name(r.what)));
		sync_check_session(s);
	}
	recovered_deinit(&r);
	return rc;
}

int sync_open(struct sync *s, const struct lookout_conf *look, struct err *e)
{
	struct state_dir_conf dir = {.dir = s->c.state_dir};
	const struct path_route *route;
	struct err ignored = ERR_NULL;
	int r;

	/* A folder that cannot be had now may be there later: the name as it is given. */
	r = sync_make_folders(s);
	s->lookout = lookout_new(look);
	if (!r)
		r = lookout_route(s->lookout, &route, &ignored);
	dir.settings = r ? s->c.settings : route->real;
	r = state_dir_open(&dir, &s->state, e);
	if (r)
		return r;
	s->pin.state = s->state;
	if (state_dir_problem(s->state)[0])
		log_event(EV_record_not_kept, LF("detail", state_dir_problem(s->state)));
	if (sync_recover(s, &ignored))
		log_event(EV_settings_unreadable, LF("detail", ignored.text));
	log_event(
	    EV_file_watch, LF("path", dir.settings), LF("how", lookout_how(s->lookout)));
	return 0;
}
