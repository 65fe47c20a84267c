/* The parts of the desktop, and what they share. */
#pragma once

#include "base/io/proc.h"
#include "base/io/watch.h"
#include "base/list.h"
#include "sessiond/sidecar/desktop.h"
#include "sessiond/sidecar/helix_credentials.h"
#include "sessiond/sidecar/sidecar.h"

enum {
	DESKTOP_FILE_MAX = 1024 * 1024,
	DESKTOP_TROUBLE_MAX = 200,
};

/* One sign-in, kept the same in the agent's file and at the server. */
struct desktop_credential {
	struct desktop *desktop;
	enum helix_credential_kind kind;
	bool wanted;     /* the server says there is one */
	bool looked;     /* asked for it since it is wanted */
	bool again;      /* the file changed while a request was under way */
	bool was_stale;  /* what was told last was older than what the server has */
	uint64_t ticket; /* 0: none is */
	int64_t known;   /* stamp of what the server has; INT64_MAX: not known */
	int64_t telling; /* stamp of what it is being told */
	struct buf own;  /* what the file says by us, or was told from it */
	struct buf puzzle; /* what it said that nobody understands */
	struct loop_timer *later;
	char path[PATH_MAX], trouble[DESKTOP_TROUBLE_MAX];
	struct watch *watch;
};

/* Programs run one after the other. */
struct desktop_colours {
	bool light, now_light; /* wanted; being applied */
	int64_t next_ms;       /* the same again not before this */
	size_t step;
	struct proc *proc; /* NULL: none runs */
	struct loop_timer *limit;
	bool failed, told_failed, told, told_light;
};

/* An editor that was asked to end. */
struct desktop_editor {
	struct list_link link;
	struct desktop *desktop;
	struct proc *proc;
	struct loop_timer *limit;
};

struct desktop {
	struct sidecar *s;
	bool stopping;
	struct watcher *watcher; /* NULL: files are looked at with each answer */
	struct desktop_credential credentials[HELIX_CREDENTIAL_N_];
	char *setup_token; /* of claude; nowhere but here and in the agent's environment */
	struct desktop_colours colours;
	struct list editors; /* struct desktop_editor.link */
	char file_trouble[256]; /* as last said */
};

/* desktop_files.c */

/* ROOT/@path or HOME/@path. False: too long. */
bool desktop_path_root(
    const struct desktop *d, const char *path, char out[static PATH_MAX]);
bool desktop_path_home(
    const struct desktop *d, const char *path, char out[static PATH_MAX]);
/* Whole or not at all, by a new file; nothing is written where it says so already. What
 * fails is logged. */
bool desktop_write(struct desktop *d, const char *path, struct slice text, mode_t mode);
/* Over what says @was and nothing else (p NULL: is not there). 0; -EAGAIN: it says
 * something else by now, and still does; -errno */
int desktop_write_over(const char *path, struct slice text, mode_t mode, struct slice was)
    MUST_CHECK;
void desktop_write_keymap(struct desktop *d);
/* What the agent of @answer reads beside the settings. */
void desktop_write_agent_files(struct desktop *d, struct slice answer);
/* Marks by which the desktop's start script knows that an agent can be started. */
void desktop_mark_setup_token(struct desktop *d);

/* desktop_credentials.c */
void desktop_credentials_init(struct desktop *d);
void desktop_credentials_deinit(struct desktop *d);
void desktop_credentials_want(struct desktop *d, enum helix_credential_kind k, bool wanted);
/* Look at server and file. */
void desktop_credentials_sync(struct desktop *d);

/* desktop_colours.c */
void desktop_colours_init(struct desktop *d);
void desktop_colours_deinit(struct desktop *d);
void desktop_colours_apply(struct desktop *d);

/* desktop_editor.c */
void desktop_editors_deinit(struct desktop *d);
