/* Which environment names and parameters a profile admits. */
#include "lifecycle/core/offer.h"

#include <regex.h>

void offer_deinit(struct offer *o)
{
	for (size_t i = 0; i < o->n_env_allow; i++)
		free(o->env_allow[i]);
	free(o->env_allow);
	for (size_t i = 0; i < o->n_params; i++) {
		free(o->params[i].name);
		free(o->params[i].pattern);
	}
	free(o->params);
	*o = OFFER_NULL;
}

static char *offer_dup(const char *s)
{
	char *copy = strdup(s);

	must(copy);
	return copy;
}

void offer_copy(struct offer *out, const struct offer *o)
{
	*out = *o;
	out->env_allow = calloc(o->n_env_allow + 1, sizeof(*out->env_allow));
	out->params = calloc(o->n_params + 1, sizeof(*out->params));
	must(out->env_allow && out->params);
	for (size_t i = 0; i < o->n_env_allow; i++)
		out->env_allow[i] = offer_dup(o->env_allow[i]);
	for (size_t i = 0; i < o->n_params; i++)
		out->params[i] =
		    (struct offer_param){.name = offer_dup(o->params[i].name),
			.pattern = offer_dup(o->params[i].pattern),
			.max = o->params[i].max};
}

/* What the runner sets itself, and what makes a program load or run something else. A
 * trailing '*' stands for any rest. */
static const char *const env_forbidden[] = {"HELIX_SESSION_ID", "HELIX_API_URL",
    "HELIX_API_TOKEN", "USER_API_TOKEN", "ZED_*", "HOME", "PATH", "SHELL", "USER",
    "XDG_*", "LD_*", "GLIBC_*", "BASH_ENV", "ENV", "IFS", "PYTHON*", "NODE_OPTIONS",
    "GIT_*", "SSH_*"};
static const char *const env_forbidden_but[] = {"GIT_REPO_URL", "GIT_REPO_ID"};

static bool name_matches(const char *pattern, const char *name)
{
	size_t n = strlen(pattern);

	if (n > 0 && pattern[n - 1] == '*')
		return strncmp(pattern, name, n - 1) == 0;
	return strcmp(pattern, name) == 0;
}

bool env_name_forbidden(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(env_forbidden_but); i++)
		if (strcmp(env_forbidden_but[i], name) == 0)
			return false;
	for (size_t i = 0; i < ARRAY_LEN(env_forbidden); i++)
		if (name_matches(env_forbidden[i], name))
			return true;
	return false;
}

bool env_name_valid(struct slice name)
{
	if (name.n < 1 || name.n > SPEC_ENV_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool letter =
		    (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';

		if (!letter && (i == 0 || c < '0' || c > '9'))
			return false;
	}
	return true;
}

bool offer_admits_env(const struct offer *o, const char *name)
{
	if (env_name_forbidden(name))
		return false;
	for (size_t i = 0; i < o->n_env_allow; i++)
		if (name_matches(o->env_allow[i], name))
			return true;
	return false;
}

static const struct offer_param *offer_param(const struct offer *o, const char *name)
{
	for (size_t i = 0; i < o->n_params; i++)
		if (strcmp(o->params[i].name, name) == 0)
			return &o->params[i];
	return NULL;
}

static bool value_has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

/* regexec finds the leftmost longest match, so a match of the whole value, if there is
 * one, need not be the one found
 * ("a|ab" on "ab" is, POSIX being longest). Anchoring is done on the match, not in the
 * text, for "a|b" binds weaker than
 * "^". */
static int param_check(const struct offer_param *p, const char *value, struct err *e)
{
	regex_t re;
	regmatch_t m;
	size_t n = strlen(value);
	bool whole;

	if (p->max >= 0 && n > (size_t)p->max)
		return err_set(e, ERROR_INVALID, "params: %s is over %lld bytes", p->name,
		    (long long)p->max);
	if (value_has_control(value))
		return err_set(
		    e, ERROR_INVALID, "params: %s holds a control character", p->name);
	if (regcomp(&re, p->pattern, REG_EXTENDED) != 0)
		return err_set(e, ERROR_INVALID,
		    "params: the profile's pattern of %s is no regular expression",
		    p->name);
	whole =
	    regexec(&re, value, 1, &m, 0) == 0 && m.rm_so == 0 && (size_t)m.rm_eo == n;
	regfree(&re);
	if (!whole)
		return err_set(e, ERROR_INVALID, "params: %s does not match \"%s\"",
		    p->name, p->pattern);
	return 0;
}

static int offer_check_params(
    const struct offer *o, const struct strmap *params, struct err *e)
{
	for (size_t i = 0; i < params->n; i++) {
		const struct offer_param *p = offer_param(o, params->items[i].key);
		int r;

		if (!p)
			return err_set(e, ERROR_INVALID,
			    "params: profile %s has no parameter \"%.64s\"", o->name.s,
			    params->items[i].key);
		r = param_check(p, params->items[i].value, e);
		if (r)
			return r;
	}
	for (size_t i = 0; i < o->n_params; i++)
		if (!strmap_get(params, o->params[i].name))
			return err_set(
			    e, ERROR_INVALID, "params: %s is missing", o->params[i].name);
	return 0;
}

int offer_check(const struct offer *o, const struct spec *s, struct err *e)
{
	for (size_t i = 0; i < s->env.n; i++)
		if (!offer_admits_env(o, s->env.items[i].key))
			return err_set(e, ERROR_INVALID,
			    "env: profile %s does not admit %s", o->name.s,
			    s->env.items[i].key);
	return offer_check_params(o, &s->params, e);
}
