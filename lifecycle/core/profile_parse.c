/* A profile file's JSON to struct profile. Every object has a table of its fields: what
 * is not in it is refused, since a field that is silently ignored may be the one that was
 * to protect something. */
#include "lifecycle/core/profile.h"

#include "base/jsn.h"

#include <regex.h>

struct parse {
	struct profile *p;
	struct err *e;
	const char *where; /* path of the object being read, "" for the root */
};

typedef int parse_cb(struct parse *s, const char *field, const struct jsn *v);

struct parse_field {
	const char *name;
	parse_cb *cb;
};

static int parse_fail(const struct parse *s, const char *field, const char *why)
{
	return err_set(s->e, ERROR_INVALID, "%s%s: %s", s->where, field, why);
}

static int parse_object(struct parse *s, const char *where, const struct jsn *v,
    const struct parse_field *fields, size_t n_fields)
{
	const char *outer = s->where;
	int r = 0;

	if (jsn_type(v) != JSN_OBJECT)
		return parse_fail(s, where, "must be an object");
	s->where = where;
	jsn_for_each (m, v) {
		size_t i = 0;

		while (i < n_fields && strcmp(fields[i].name, jsn_key(m)) != 0)
			i++;
		r = i < n_fields ? fields[i].cb(s, jsn_key(m), m)
				 : parse_fail(s, jsn_key(m), "is no field of a profile");
		if (r)
			break;
	}
	s->where = outer;
	return r;
}

static char *parse_dup(const char *text)
{
	char *copy = strdup(text);

	must(copy);
	return copy;
}

/* ---- texts */

static bool parse_has_control(const char *t)
{
	for (; *t; t++) {
		if ((unsigned char)*t < 0x20 && *t != '\t' && *t != '\n')
			return true;
	}
	return false;
}

static int parse_string(
    struct parse *s, const char *field, const struct jsn *v, char **out)
{
	const char *t = jsn_string(v);

	if (!t || parse_has_control(t))
		return parse_fail(
		    s, field, "must be a string without control characters");
	free(*out);
	*out = parse_dup(t);
	return 0;
}

static int parse_strings(
    struct parse *s, const char *field, const struct jsn *v, char ***out, size_t *n_out)
{
	size_t n = jsn_count(v);

	if (jsn_type(v) != JSN_ARRAY || n > PROFILE_ARGS_MAX || *n_out)
		return parse_fail(s, field, "must be one array of at most 256 strings");
	*out = calloc(n + 1, sizeof **out);
	must(*out);
	jsn_for_each (m, v) {
		int r = parse_string(s, field, m, &(*out)[*n_out]);

		if (r)
			return r;
		(*n_out)++;
	}
	return 0;
}

static int parse_command(
    struct parse *s, const char *field, const struct jsn *v, struct profile_command *c)
{
	int r = parse_strings(s, field, v, &c->args, &c->n);

	if (!r && (c->n == 0 || c->args[0][0] == '\0'))
		return parse_fail(s, field, "must name a program");
	return r;
}

static int parse_int(
    struct parse *s, const char *field, const struct jsn *v, int64_t max, int64_t *out)
{
	if (jsn_type(v) == JSN_NUMBER && jsn_int(v, out) && *out >= 0 && *out <= max)
		return 0;
	return err_set(s->e, ERROR_INVALID, "%s%s: must be a whole number from 0 to %lld",
	    s->where, field, (long long)max);
}

static int parse_word(struct parse *s, const char *field, const struct jsn *v,
    const char *const *words, size_t n_words, size_t *i_out)
{
	const char *t = jsn_string(v);

	for (size_t i = 0; t && i < n_words; i++) {
		if (strcmp(words[i], t) == 0) {
			*i_out = i;
			return 0;
		}
	}
	return parse_fail(s, field, "has a value that is not one of those allowed");
}

/* ---- restart, stop, ready, limits */

static int parse_restart_policy(struct parse *s, const char *field, const struct jsn *v)
{
	static const char *const words[] = {"never", "on_failure", "always"};
	size_t i = 0;
	int r = parse_word(s, field, v, words, ARRAY_LEN(words), &i);

	if (!r)
		s->p->offer.restart.policy = (enum restart_policy)(RESTART_NEVER + i);
	return r;
}

static int parse_restart_max(struct parse *s, const char *field, const struct jsn *v)
{
	return parse_int(s, field, v, RESTART_MAX_MAX, &s->p->offer.restart.max);
}

static int parse_restart_window(struct parse *s, const char *field, const struct jsn *v)
{
	return parse_int(s, field, v, INT32_MAX, &s->p->offer.restart.window_ms);
}

static int parse_restart(struct parse *s, const char *field, const struct jsn *v)
{
	static const struct parse_field fields[] = {
	    {"policy", parse_restart_policy},
	    {"max", parse_restart_max},
	    {"window_ms", parse_restart_window},
	};

	(void)field;
	return parse_object(s, "restart.", v, fields, ARRAY_LEN(fields));
}

static int parse_stop_signal(struct parse *s, const char *field, const struct jsn *v)
{
	const char *t = jsn_string(v);

	s->p->offer.stop.signal = t ? signal_parse(slice_of(t)) : 0;
	if (!s->p->offer.stop.signal)
		return parse_fail(
		    s, field, "must be one of HUP INT QUIT KILL USR1 USR2 TERM");
	return 0;
}

static int parse_stop_grace(struct parse *s, const char *field, const struct jsn *v)
{
	return parse_int(s, field, v, GRACE_MS_MAX, &s->p->offer.stop.grace_ms);
}

static int parse_stop_hook(struct parse *s, const char *field, const struct jsn *v)
{
	return parse_command(s, field, v, &s->p->hook);
}

static int parse_stop(struct parse *s, const char *field, const struct jsn *v)
{
	static const struct parse_field fields[] = {
	    {"signal", parse_stop_signal},
	    {"grace_ms", parse_stop_grace},
	    {"hook", parse_stop_hook},
	};

	(void)field;
	return parse_object(s, "stop.", v, fields, ARRAY_LEN(fields));
}

static int parse_ready_kind(struct parse *s, const char *field, const struct jsn *v)
{
	static const char *const words[] = {"process", "file", "http", "agent"};
	size_t i = 0;
	int r = parse_word(s, field, v, words, ARRAY_LEN(words), &i);

	if (!r)
		s->p->ready = (enum ready_kind)i;
	return r;
}

/* Kept as text: what it means depends on the kind, which may stand behind it. */
static int parse_ready_arg(struct parse *s, const char *field, const struct jsn *v)
{
	int64_t ms = 0;
	int r;

	if (jsn_type(v) != JSN_NUMBER)
		return parse_string(s, field, v, &s->p->ready_arg);
	r = parse_int(s, field, v, PROFILE_READY_MS_MAX, &ms);
	if (!r) {
		char text[24];

		snprintf(text, sizeof text, "%lld", (long long)ms);
		free(s->p->ready_arg);
		s->p->ready_arg = parse_dup(text);
	}
	return r;
}

static int parse_ready(struct parse *s, const char *field, const struct jsn *v)
{
	static const struct parse_field fields[] = {
	    {"kind", parse_ready_kind},
	    {"arg", parse_ready_arg},
	};

	(void)field;
	return parse_object(s, "ready.", v, fields, ARRAY_LEN(fields));
}

static int parse_memory(struct parse *s, const char *field, const struct jsn *v)
{
	return parse_int(s, field, v, INT32_MAX, &s->p->memory_max_mb);
}

static int parse_cpu(struct parse *s, const char *field, const struct jsn *v)
{
	return parse_int(s, field, v, INT32_MAX, &s->p->cpu_milli);
}

static int parse_pids(struct parse *s, const char *field, const struct jsn *v)
{
	return parse_int(s, field, v, INT32_MAX, &s->p->pids_max);
}

static int parse_limits(struct parse *s, const char *field, const struct jsn *v)
{
	static const struct parse_field fields[] = {
	    {"memory_max_mb", parse_memory},
	    {"cpu_milli", parse_cpu},
	    {"pids_max", parse_pids},
	};

	(void)field;
	return parse_object(s, "limits.", v, fields, ARRAY_LEN(fields));
}

/* ---- parameters and environment */

static int parse_param_name(const struct parse *s, const char *name)
{
	struct id id;

	if (id_parse(slice_of(name), &id))
		return 0;
	return err_set(s->e, ERROR_INVALID,
	    "params.%.64s: the name must match [A-Za-z0-9_-]{1,64}", name);
}

static int parse_param(struct parse *s, const struct jsn *v)
{
	struct offer_param *param = &s->p->offer.params[s->p->offer.n_params];
	const char *pattern = NULL;
	regex_t re;
	int r = parse_param_name(s, jsn_key(v));

	if (r)
		return r;
	if (jsn_type(v) != JSN_OBJECT)
		return parse_fail(s, jsn_key(v), "must be an object");
	*param = (struct offer_param){.max = PROFILE_PARAM_MAX_DEFAULT};
	jsn_for_each (m, v) {
		if (strcmp(jsn_key(m), "pattern") == 0)
			pattern = jsn_string(m);
		else if (strcmp(jsn_key(m), "max") != 0)
			return parse_fail(
			    s, jsn_key(v), "has a field other than pattern and max");
		else if ((r = parse_int(
			      s, jsn_key(v), m, PROFILE_PARAM_MAX_MAX, &param->max)))
			return r;
	}
	if (!pattern || regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return parse_fail(s, jsn_key(v),
		    "needs a pattern that is a POSIX extended regular expression");
	regfree(&re);
	param->name = parse_dup(jsn_key(v));
	param->pattern = parse_dup(pattern);
	s->p->offer.n_params++;
	return 0;
}

static int parse_params(struct parse *s, const char *field, const struct jsn *v)
{
	struct offer *o = &s->p->offer;
	size_t n = jsn_count(v);
	int r = 0;

	if (jsn_type(v) != JSN_OBJECT || n > SPEC_PARAMS_MAX || o->params)
		return parse_fail(
		    s, field, "must be one object of at most 64 parameters");
	o->params = calloc(n + 1, sizeof *o->params);
	must(o->params);
	s->where = "params.";
	jsn_for_each (m, v) {
		r = r ? r : parse_param(s, m);
	}
	s->where = "";
	return r;
}

static int parse_env(struct parse *s, const char *field, const struct jsn *v)
{
	if (jsn_type(v) != JSN_OBJECT)
		return parse_fail(s, field, "must be an object");
	jsn_for_each (m, v) {
		const char *value = jsn_string(m);

		if (!env_name_valid(slice_of(jsn_key(m))) || !value ||
		    strlen(value) > SPEC_ENV_VALUE_MAX)
			return err_set(s->e, ERROR_INVALID,
			    "env.%.128s: must be a name and a string", jsn_key(m));
		strmap_put(&s->p->env, jsn_key(m), value);
	}
	return 0;
}

static int parse_env_allow(struct parse *s, const char *field, const struct jsn *v)
{
	struct offer *o = &s->p->offer;
	int r = parse_strings(s, field, v, &o->env_allow, &o->n_env_allow);

	for (size_t i = 0; !r && i < o->n_env_allow; i++) {
		size_t n = strlen(o->env_allow[i]);
		bool star = n > 0 && o->env_allow[i][n - 1] == '*';
		struct slice name = {o->env_allow[i], n - star};

		if (!(star && n == 1) && !env_name_valid(name))
			return err_set(s->e, ERROR_INVALID,
			    "env_allow: \"%.128s\" is no name", o->env_allow[i]);
	}
	return r;
}

/* ---- companions and the rest of the root */

static int parse_companion_field(
    struct parse *s, const struct jsn *m, struct profile_companion *c)
{
	struct id id;

	if (strcmp(jsn_key(m), "command") == 0)
		return parse_command(s, "command", m, &c->command);
	if (strcmp(jsn_key(m), "ready_http") == 0)
		return parse_string(s, "ready_http", m, &c->ready_http);
	if (strcmp(jsn_key(m), "name") != 0)
		return parse_fail(s, jsn_key(m), "is no field of a companion");
	if (parse_string(s, "name", m, &c->name) || !id_parse(slice_of(c->name), &id) ||
	    strlen(c->name) > PROFILE_COMPANION_NAME_MAX)
		return parse_fail(s, "name", "must match [A-Za-z0-9_-]{1,24}");
	return 0;
}

static int parse_companion(struct parse *s, const struct jsn *v)
{
	struct profile_companion *c = &s->p->companions[s->p->n_companions];

	if (jsn_type(v) != JSN_OBJECT)
		return parse_fail(s, "", "must be objects");
	s->p->n_companions++;
	jsn_for_each (m, v) {
		int r = parse_companion_field(s, m, c);

		if (r)
			return r;
	}
	if (!c->name || !c->command.n)
		return parse_fail(s, "", "need a name and a command");
	for (size_t i = 0; i + 1 < s->p->n_companions; i++) {
		if (strcmp(s->p->companions[i].name, c->name) == 0)
			return parse_fail(s, c->name, "is the name of two companions");
	}
	if (strcmp(c->name, "main") == 0 || strcmp(c->name, "hook") == 0)
		return parse_fail(s, c->name, "is a name the runner uses itself");
	if (c->ready_http && strncmp(c->ready_http, "http://", 7) != 0 &&
	    strncmp(c->ready_http, "https://", 8) != 0)
		return parse_fail(s, "ready_http", "must be an http or https URL");
	return 0;
}

static int parse_companions(struct parse *s, const char *field, const struct jsn *v)
{
	int r = 0;

	if (jsn_type(v) != JSN_ARRAY || jsn_count(v) > PROFILE_COMPANIONS_MAX ||
	    s->p->n_companions)
		return parse_fail(s, field, "must be one array of at most 8 companions");
	s->where = "companions.";
	jsn_for_each (m, v) {
		r = r ? r : parse_companion(s, m);
	}
	s->where = "";
	return r;
}

static int parse_root_command(struct parse *s, const char *field, const struct jsn *v)
{
	return parse_command(s, field, v, &s->p->command);
}

static int parse_user(struct parse *s, const char *field, const struct jsn *v)
{
	return parse_string(s, field, v, &s->p->user);
}

static int parse_roots(struct parse *s, const char *field, const struct jsn *v)
{
	int r =
	    parse_strings(s, field, v, &s->p->workspace_roots, &s->p->n_workspace_roots);

	for (size_t i = 0; !r && i < s->p->n_workspace_roots; i++) {
		if (s->p->workspace_roots[i][0] != '/')
			r = parse_fail(s, field, "must be absolute paths");
	}
	return r;
}

static int parse_state(struct parse *s, const char *field, const struct jsn *v)
{
	static const char *const words[] = {"keep", "wipe"};
	size_t i = 0;
	int r = parse_word(s, field, v, words, ARRAY_LEN(words), &i);

	s->p->wipe = !r && i == 1;
	return r;
}

int profile_parse(
    const struct id *name, struct slice text, struct profile *out, struct err *e)
{
	static const struct parse_field fields[] = {
	    {"command", parse_root_command},
	    {"env", parse_env},
	    {"env_allow", parse_env_allow},
	    {"params", parse_params},
	    {"companions", parse_companions},
	    {"user", parse_user},
	    {"workspace_roots", parse_roots},
	    {"state", parse_state},
	    {"limits", parse_limits},
	    {"ready", parse_ready},
	    {"restart", parse_restart},
	    {"stop", parse_stop},
	};
	AUTO(jsn_freep) struct jsn *root = NULL;
	struct parse s = {.p = out, .e = e, .where = ""};
	int r;

	if (text.n > PROFILE_BYTES_MAX)
		return err_set(e, ERROR_INVALID, "is over %d bytes", PROFILE_BYTES_MAX);
	r = jsn_parse(text.p, text.n, &root, e);
	if (r)
		return r;
	out->offer.name = *name;
	r = parse_object(&s, "", root, fields, ARRAY_LEN(fields));
	return r ? r : profile_check(out, e);
}
