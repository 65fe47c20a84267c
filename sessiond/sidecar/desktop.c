/* Life of the desktop's parts, and what an answer of the server is to them. */
#include "sessiond/sidecar/desktop_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"

struct desktop *desktop_new(struct sidecar *s)
{
	struct desktop *d = calloc(1, sizeof(*d));
	struct err e = ERR_NULL;

	must(d);
	d->s = s;
	list_init(&d->editors);
	if (watcher_new(s->loop, &d->watcher, &e))
		d->watcher = NULL;
	desktop_credentials_init(d);
	desktop_colours_init(d);
	desktop_write_keymap(d);
	return d;
}

void desktop_stop(struct desktop *d)
{
	d->stopping = true;
	desktop_colours_deinit(d);
	desktop_editors_deinit(d);
	desktop_credentials_deinit(d);
	d->watcher = watcher_free(d->watcher);
}

struct desktop *desktop_free(struct desktop *d)
{
	if (!d)
		return NULL;
	free(d->setup_token);
	free(d);
	return NULL;
}

void desktop_on_base(struct desktop *d, const struct server_base *b)
{
	if (b) {
		desktop_credentials_want(d, HELIX_CLAUDE, b->claude);
		desktop_credentials_want(d, HELIX_CODEX, b->codex);
		d->colours.light = strcmp(b->color_scheme, "light") == 0;
		desktop_write_agent_files(d, b->answer);
	}
	desktop_credentials_sync(d);
	desktop_colours_apply(d);
}

bool desktop_is_looking(const struct desktop *d)
{
	for (size_t i = 0; d && i < HELIX_CREDENTIAL_N_; i++) {
		if (d->credentials[i].wanted && !d->credentials[i].looked)
			return true;
	}
	return false;
}

struct jsn *desktop_status(const struct desktop *d)
{
	struct jsn *o = d ? jsn_new_object() : NULL;

	for (enum helix_credential_kind k = 0; d && k < HELIX_CREDENTIAL_N_; k++) {
		const struct desktop_credential *c = &d->credentials[k];
		struct jsn *one = jsn_new_object();

		jsn_set_bool(one, "wanted", c->wanted);
		jsn_set_bool(one, "looked_at", c->looked);
		jsn_set_bool(one, "setup_token", k == HELIX_CLAUDE && d->setup_token);
		jsn_set_string(one, "problem", c->trouble[0] ? c->trouble : NULL);
		jsn_set(o, helix_credential_name(k), one);
	}
	if (o)
		jsn_set_string(
		    o, "file_problem", d->file_trouble[0] ? d->file_trouble : NULL);
	return o;
}
