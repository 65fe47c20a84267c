/* Ending the editor so that whoever watches over it starts it anew. It is found by its
 * name, among the processes of the same user; one that says it is of another session is
 * left alone.
 *
 * happy path: found, SIGTERM, gone
 * failure modes: none there (the next one reads the new settings anyway); still there
 * after 5 s: SIGKILL */
#include "sessiond/sidecar/desktop_internal.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sessiond/sidecar/events.h"
#include "sessiond/sidecar/file_io.h"

enum {
	EDITOR_GRACE_MS = 5 * 1000,
	EDITORS_MAX = 64,
	EDITOR_ENVIRON_MAX = 4 * 1024 * 1024,
};

static const char editor_name[] = "zed\n";

static void editor_forget(struct desktop_editor *ed)
{
	list_del(&ed->desktop->editors, &ed->link);
	loop_timer_free(ed->limit);
	free(ed);
}

static void editor_on_exit(void *data, struct proc *p, int exit_code, int signal)
{
	(void)p;
	(void)exit_code;
	(void)signal;
	editor_forget(data);
}

static void editor_on_limit(struct loop_timer *t, void *data)
{
	struct desktop_editor *ed = data;

	(void)t;
	(void)proc_signal(ed->proc, SIGKILL);
}

static void editor_end(struct desktop *d, pid_t pid, uint64_t start_ticks)
{
	struct desktop_editor *ed = calloc(1, sizeof(*ed));

	must(ed);
	ed->desktop = d;
	list_push(&d->editors, &ed->link);
	ed->limit = loop_timer_new(d->s->loop, editor_on_limit, ed);
	if (proc_adopt(d->s->loop, pid, start_ticks, editor_on_exit, ed, &ed->proc)) {
		editor_forget(ed);
		return;
	}
	(void)proc_signal(ed->proc, SIGTERM);
	loop_timer_start(ed->limit, EDITOR_GRACE_MS, 0);
	log_event(EV_editor_ended, LF_I("pid", pid));
}

/* finding */

static bool editor_file(pid_t pid, const char *name, size_t max, struct buf *out)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return file_read(path, max, out) == 0;
}

static bool editor_is_ours(pid_t pid)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return pid != getpid() && stat(path, &st) == 0 && st.st_uid == geteuid();
}

/* It has ended, and its parent has not noticed yet. */
static bool editor_is_gone(pid_t pid)
{
	AUTO(buf_deinit) struct buf stat = BUF_NULL(1024);
	const char *state;

	if (!editor_file(pid, "stat", 1024, &stat))
		return true;
	state = strrchr(buf_cstr(&stat), ')'); /* the name may hold anything */
	return !state || strncmp(state, ") Z", 3) == 0 || strncmp(state, ") X", 3) == 0;
}

/* What it was started with names another session. */
static bool editor_is_elsewhere(const struct desktop *d, pid_t pid)
{
	static const char key[] = "HELIX_SESSION_ID=";
	AUTO(buf_deinit) struct buf env = BUF_NULL(EDITOR_ENVIRON_MAX);
	const char *p;

	if (!editor_file(pid, "environ", EDITOR_ENVIRON_MAX, &env))
		return false;
	for (p = buf_cstr(&env); p < buf_cstr(&env) + env.n; p += strlen(p) + 1) {
		if (strncmp(p, key, sizeof(key) - 1) == 0)
			return strcmp(p + sizeof(key) - 1, d->s->conf->session_id) != 0;
	}
	return false;
}

static bool editor_is(const struct desktop *d, pid_t pid)
{
	AUTO(buf_deinit) struct buf name = BUF_NULL(64);

	return editor_is_ours(pid) && editor_file(pid, "comm", 32, &name) &&
	       strcmp(buf_cstr(&name), editor_name) == 0 && !editor_is_gone(pid) &&
	       !editor_is_elsewhere(d, pid);
}

/* Being asked already is being asked. */
static bool editor_is_ending(const struct desktop *d, pid_t pid)
{
	list_for_each (it, &d->editors) {
		if (proc_pid(list_entry(it, struct desktop_editor, link)->proc) == pid)
			return true;
	}
	return false;
}

static size_t editors_end(struct desktop *d, DIR *dir)
{
	struct dirent *entry;
	size_t n = 0;

	while (n < EDITORS_MAX && (entry = readdir(dir)) != NULL) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		uint64_t ticks = pid > 0 ? proc_start_ticks(pid) : 0;

		if (!ticks || !editor_is(d, pid))
			continue;
		n++;
		if (!editor_is_ending(d, pid))
			editor_end(d, pid, ticks);
	}
	return n;
}

void desktop_restart_editor(struct desktop *d)
{
	DIR *dir = opendir("/proc");

	if (!dir || editors_end(d, dir) == 0)
		log_event(EV_editor_not_found, LF_NONE);
	if (dir)
		closedir(dir);
}

void desktop_editors_deinit(struct desktop *d)
{
	list_for_each_safe (it, &d->editors) {
		struct desktop_editor *ed = list_entry(it, struct desktop_editor, link);

		proc_abandon(ed->proc);
		editor_forget(ed);
	}
}
