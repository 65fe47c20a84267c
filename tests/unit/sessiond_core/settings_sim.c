#include "tests/unit/sessiond_core/settings_sim.h"

#include "base/must.h"
#include "sessiond/core/json_edit.h"
#include "sessiond/core/jval_print.h"

static struct jval *parse(struct sim *s, const char *text)
{
	struct json_doc d;

	must(json_doc_parse(&s->a, arena_copy(&s->a, slice_of(text)), &d) == JSON_DOC_OK);
	return d.root;
}

void sim_base(struct sim *s, const char *base)
{
	s->base = parse(s, base);
}

void sim_init(struct sim *s, const char *base, const char *policy)
{
	struct err e;

	*s = (struct sim){0};
	if (policy)
		must(!policy_parse(&s->a, parse(s, policy), &s->policy, &e));
	else
		policy_builtin(&s->a, &s->policy);
	s->u = overrides_new(&s->a);
	s->held = overrides_new(&s->a);
	sim_base(s, base);
	sim_step(s);
}

void sim_deinit(struct sim *s)
{
	arena_deinit(&s->a);
}

static struct jval *changed(
    struct sim *s, const struct jval *doc, const char *pointer, const char *value)
{
	struct jval *root = jval_copy(&s->a, doc), *v = root;
	struct json_pointer ptr;

	must(json_pointer_parse(&s->a, slice_of(pointer), &ptr));
	for (size_t i = 0; i + 1 < ptr.n; i++) {
		struct jval *child = jval_get(&s->a, v, ptr.tokens[i]);

		if (!child || child->type != JVAL_OBJECT) {
			child = jval_new(&s->a, JVAL_OBJECT);
			jval_put(&s->a, v, ptr.tokens[i], child);
		}
		v = child;
	}
	if (value)
		jval_put(
		    &s->a, v, ptr.tokens[ptr.n - 1], jval_copy(&s->a, parse(s, value)));
	else
		jval_remove(&s->a, v, jval_get(&s->a, v, ptr.tokens[ptr.n - 1]));
	return root;
}

void sim_base_set(struct sim *s, const char *pointer, const char *value)
{
	s->base = changed(s, s->base, pointer, value);
}

void sim_file_set(struct sim *s, const char *pointer, const char *value)
{
	struct json_doc d;

	must(json_doc_parse_object(&s->a, s->file, &d) == JSON_DOC_OK);
	must(json_edit_to(&s->a, &d, changed(s, d.root, pointer, value), &s->file,
		 NULL) != JSON_EDIT_FAILED);
}

void sim_file(struct sim *s, const char *text)
{
	s->has_file = text != NULL;
	if (text)
		s->file = arena_copy(&s->a, slice_of(text));
}

void sim_step(struct sim *s)
{
	struct err e;
	struct settings_input in = {.file = s->has_file ? &s->file : NULL,
	    .last = s->has_last ? &s->last : NULL,
	    .base = s->base,
	    .base0 = s->hide_base0 ? NULL : s->base0,
	    .overrides = &s->u,
	    .held = &s->held,
	    .migrating = s->migrating,
	    .migrated = s->migrated,
	    .policy = &s->policy};

	must(!settings_plan(&s->a, &in, &s->out, &e));
	must(!s->out.edit_failed);
	s->u = s->out.overrides;
	if (s->out.state != SETTINGS_OK)
		return;
	s->held = s->out.held;
	s->migrated = s->out.migrated;
	s->migrating = false;
	s->file = s->last = s->out.text;
	s->has_file = s->has_last = true;
	s->base0 = s->out.sound_base ? s->out.sound_base : s->base;
}

static const char *compact(struct sim *s, const struct jval *v)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(SIZE_MAX);

	if (!v)
		return "(absent)";
	jval_print(&b, v);
	return arena_copy(&s->a, buf_slice(&b)).p;
}

const char *sim_at(struct sim *s, const char *pointer)
{
	struct json_doc d;
	struct json_pointer ptr;

	must(json_doc_parse_object(&s->a, s->file, &d) == JSON_DOC_OK);
	must(json_pointer_parse(&s->a, slice_of(pointer), &ptr));
	return compact(s, json_pointer_get(&s->a, d.root, ptr.tokens, ptr.n));
}

const char *sim_u(struct sim *s)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(SIZE_MAX);

	overrides_print(&b, &s->u);
	return arena_copy(&s->a, buf_slice(&b)).p;
}

size_t sim_events(const struct sim *s, const char *type, const char *pointer)
{
	size_t n = 0;

	for (const struct settings_event *e = s->out.events; e; e = e->next)
		n += !strcmp(e->type, type) && (!pointer || slice_is(e->path, pointer));
	return n;
}
