/* The desktop's colours by gsettings, one program after the other. A desktop without it
 * has other colours, and nothing else is the matter.
 *
 * happy path: four programs end with 0
 * failure modes: no such program, no desktop to speak to (exit code), one that hangs
 * (ended after 10 s): said once, tried again with the next answer of the server */
#include "sessiond/sidecar/desktop_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "sessiond/sidecar/events.h"

extern char **environ;

enum {
	COLOURS_PROGRAM_MS = 10 * 1000,
	COLOURS_AGAIN_MS = 25 * 1000, /* somebody else may have changed them */
};

#define COLOURS_WALLPAPER "file:///usr/share/backgrounds/helix-logo.png"

static const struct {
	const char *schema, *key, *dark, *light;
} colours_steps[] = {
    {"org.gnome.desktop.interface", "color-scheme", "prefer-dark", "prefer-light"},
    {"org.gnome.desktop.interface", "gtk-theme", "Yaru-dark", "Yaru"},
    {"org.gnome.desktop.background", "picture-uri", COLOURS_WALLPAPER, COLOURS_WALLPAPER},
    {"org.gnome.desktop.background", "picture-uri-dark", COLOURS_WALLPAPER,
	COLOURS_WALLPAPER}};

static void colours_next(struct desktop *d);

/* @name in one of the folders of PATH. */
static bool colours_find(const char *name, char out[static PATH_MAX])
{
	const char *p = getenv("PATH");

	while (p && *p) {
		size_t n = strcspn(p, ":");

		if (n > 0 &&
		    snprintf(out, PATH_MAX, "%.*s/%s", (int)n, p, name) < PATH_MAX &&
		    access(out, X_OK) == 0)
			return true;
		p += n + (p[n] == ':');
	}
	return false;
}

static void colours_fail(struct desktop *d, const char *why)
{
	struct desktop_colours *c = &d->colours;

	c->failed = true;
	if (!c->told_failed)
		log_event(EV_colours_failed, LF("detail", why));
	c->told_failed = true;
}

static void colours_done(struct desktop *d)
{
	struct desktop_colours *c = &d->colours;

	if (!c->failed) {
		c->told_failed = false;
		if (!c->told || c->told_light != c->now_light)
			log_event(EV_colours_applied,
			    LF("scheme", c->now_light ? "light" : "dark"));
		c->told = true;
		c->told_light = c->now_light;
	}
	if (c->light != c->now_light)
		desktop_colours_apply(d);
}

static void colours_on_exit(void *data, struct proc *p, int exit_code, int signal)
{
	struct desktop *d = data;
	char why[64];

	(void)p;
	d->colours.proc = NULL;
	loop_timer_stop(d->colours.limit);
	if (exit_code != 0) {
		snprintf(why, sizeof(why), "gsettings: %s %d",
		    signal ? "ended by signal" : "exit code",
		    signal ? signal : exit_code);
		colours_fail(d, why);
	}
	d->colours.step++;
	colours_next(d);
}

static void colours_on_limit(struct loop_timer *t, void *data)
{
	struct desktop *d = data;

	(void)t;
	(void)proc_signal(d->colours.proc, SIGKILL);
}

/* The next program, or the end. */
static void colours_next(struct desktop *d)
{
	struct desktop_colours *c = &d->colours;
	char path[PATH_MAX];
	struct err e = ERR_NULL;

	if (c->step >= ARRAY_LEN(colours_steps)) {
		colours_done(d);
	} else if (!colours_find("gsettings", path)) {
		colours_fail(d, "gsettings is not on this machine");
		colours_done(d);
	} else {
		const char *value = c->now_light ? colours_steps[c->step].light
						 : colours_steps[c->step].dark;
		const char *const argv[] = {"gsettings", "set",
		    colours_steps[c->step].schema, colours_steps[c->step].key, value,
		    NULL};
		struct proc_spec spec = {.path = path,
		    .argv = (char *const *)(uintptr_t)argv,
		    .envp = environ,
		    .in = PROC_NULL,
		    .out = PROC_NULL,
		    .err = PROC_NULL};

		if (proc_spawn(d->s->loop, &spec, colours_on_exit, d, &c->proc, &e) == 0) {
			loop_timer_start(c->limit, COLOURS_PROGRAM_MS, 0);
			return;
		}
		colours_fail(d, e.text);
		colours_done(d);
	}
}

void desktop_colours_apply(struct desktop *d)
{
	struct desktop_colours *c = &d->colours;

	int64_t now_ms = clock_mono_ms();

	if (c->proc)
		return; /* its end looks again */
	if (c->light == c->now_light && now_ms < c->next_ms)
		return;
	c->next_ms = now_ms + COLOURS_AGAIN_MS;
	c->failed = false;
	c->now_light = c->light;
	c->step = 0;
	colours_next(d);
}

void desktop_colours_init(struct desktop *d)
{
	d->colours.limit = loop_timer_new(d->s->loop, colours_on_limit, d);
}

void desktop_colours_deinit(struct desktop *d)
{
	d->colours.limit = loop_timer_free(d->colours.limit);
	if (d->colours.proc)
		proc_abandon(d->colours.proc);
	d->colours.proc = NULL;
}
