/* Matching all rules against a path that grows and shrinks one token at a time: every
 * level keeps the rules that may still match (a set of positions each), so a document is
 * walked once, whatever the number of rules. */
#include "sessiond/core/policy.h"

#include "base/must.h"

struct candidate {
	const struct policy_rule *rule;
	uint64_t at;    /* bit i: the first i tokens of the pattern have matched */
	uint32_t block; /* tokens before which the match began */
};

/* Where the path stands with respect to override blocks. */
enum chain {
	CHAIN_ROOT,     /* a settings document begins here */
	CHAIN_PROFILES, /* behind "profiles" */
	CHAIN_PROFILE,  /* behind its name; "settings" makes it a root again */
	CHAIN_NONE,
};

struct level {
	struct candidate *v;
	size_t n, cap;
	struct policy_hit hit;
	enum chain chain;
	uint32_t block;
};

struct policy_walk {
	struct arena *a;
	const struct policy *p;
	struct slice path[POINTER_TOKENS_MAX + 2];
	struct level levels[POINTER_TOKENS_MAX + 3];
	size_t n;
};

/* "*" matches any run of characters within one token. */
static bool glob_match(struct slice pat, struct slice s)
{
	size_t i = 0, j = 0, star = SIZE_MAX, mark = 0;

	while (j < s.n) {
		if (i < pat.n && pat.p[i] == '*') {
			star = i++;
			mark = j;
		} else if (i < pat.n && pat.p[i] == s.p[j]) {
			i++;
			j++;
		} else if (star != SIZE_MAX) {
			i = star + 1;
			j = ++mark;
		} else {
			return false;
		}
	}
	while (i < pat.n && pat.p[i] == '*')
		i++;
	return i == pat.n;
}

/* "**" may stand for nothing: what follows it is possible too. */
static uint64_t closure(const struct policy_pattern *p, uint64_t at)
{
	for (uint32_t i = 0; (at & p->any_depth) && i < p->n; i++)
		if (at & p->any_depth & (uint64_t)1 << i)
			at |= (uint64_t)1 << (i + 1);
	return at;
}

static bool token_match(const struct policy_pattern *p, uint32_t i, struct slice token)
{
	if (p->literal >> i & 1)
		return slice_eq(p->tokens[i], token);
	return glob_match(p->tokens[i], token);
}

static uint64_t step(const struct policy_pattern *p, uint64_t at, struct slice token)
{
	uint64_t next = at & p->any_depth,
		 left = at & ~p->any_depth & (((uint64_t)1 << p->n) - 1);

	while (left) {
		uint32_t i = (uint32_t)__builtin_ctzll(left);

		left &= left - 1;
		if (token_match(p, i, token))
			next |= (uint64_t)1 << (i + 1);
	}
	return next ? closure(p, next) : 0;
}

/* Most rules wait for one literal token, which this is not. */
static bool differs(const struct candidate *c, struct slice token)
{
	const struct policy_pattern *p = &c->rule->pattern;

	if ((c->at & (c->at - 1)) || !(c->at & p->literal))
		return false;
	return p->tokens[__builtin_ctzll(c->at)].n != token.n;
}

static bool matched(const struct policy_pattern *p, uint64_t at)
{
	return at >> p->n & 1;
}

static void level_add(struct policy_walk *w, struct level *l, struct candidate c)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct candidate *v = arena_alloc(w->a, cap * sizeof(*v));

		if (l->n)
			memcpy(v, l->v, l->n * sizeof(*v));
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = c;
}

/* A document begins at this level: every rule may match from here. */
static void level_seed(struct policy_walk *w, struct level *l)
{
	for (size_t i = 0; i < w->p->n_rules; i++) {
		const struct policy_rule *r = &w->p->rules[i];

		level_add(
		    w, l, (struct candidate){r, closure(&r->pattern, 1), (uint32_t)w->n});
	}
}

/* More tokens, then more literal characters, then the stricter class. */
static bool more_specific(const struct policy_rule *x, const struct policy_rule *y)
{
	if (!y)
		return true;
	if (x->pattern.n != y->pattern.n)
		return x->pattern.n > y->pattern.n;
	if (x->pattern.n_literal != y->pattern.n_literal)
		return x->pattern.n_literal > y->pattern.n_literal;
	return x->cls < y->cls;
}

static void level_hit(struct policy_walk *w, struct level *l, const struct candidate *c)
{
	l->hit.secret |= c->rule->secret;
	l->hit.retire |= c->rule->retire;
	if (c->rule->cls == POLICY_CLASS_N_ || !more_specific(c->rule, l->hit.rule))
		return;
	l->hit.rule = c->rule;
	l->hit.cls = c->rule->cls;
	l->hit.root = (uint32_t)w->n;
	l->hit.block = c->block;
}

struct policy_walk *policy_walk_new(struct arena *a, const struct policy *p)
{
	struct policy_walk *w = ARENA_NEW(a, struct policy_walk);

	w->a = a;
	w->p = p;
	w->levels[0].hit.cls = POLICY_USER_WINS;
	level_seed(w, &w->levels[0]);
	return w;
}

static const char *const blocks[] = {
    "dev", "nightly", "preview", "stable", "macos", "linux", "windows"};

bool policy_has_blocks(struct arena *a, const struct jval *doc)
{
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		if (jval_get_str(a, doc, blocks[i]))
			return true;
	return jval_get_str(a, doc, "profiles") != NULL;
}

static enum chain chain_next(enum chain c, struct slice token)
{
	if (c == CHAIN_PROFILES)
		return CHAIN_PROFILE;
	if (c == CHAIN_PROFILE)
		return slice_is(token, "settings") ? CHAIN_ROOT : CHAIN_NONE;
	if (c == CHAIN_NONE)
		return CHAIN_NONE;
	if (slice_is(token, "profiles"))
		return CHAIN_PROFILES;
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		if (slice_is(token, blocks[i]))
			return CHAIN_ROOT;
	return CHAIN_NONE;
}

void policy_push(struct policy_walk *w, struct slice token)
{
	const struct level *from = &w->levels[w->n];
	struct level *to = &w->levels[w->n + 1];

	must(w->n < ARRAY_LEN(w->path));
	w->path[w->n++] = token;
	to->n = 0;
	to->hit = from->hit;
	to->block = from->block;
	to->chain = chain_next(from->chain, token);
	for (size_t i = 0; i < from->n; i++) {
		struct candidate c = from->v[i];

		if (differs(&c, token))
			continue;
		c.at = step(&c.rule->pattern, c.at, token);
		if (matched(&c.rule->pattern, c.at))
			level_hit(w, to, &c);
		else if (c.at)
			level_add(w, to, c);
	}
	if (to->chain == CHAIN_ROOT) {
		to->block = (uint32_t)w->n;
		level_seed(w, to);
	}
}

void policy_pop(struct policy_walk *w)
{
	must(w->n > 0);
	w->n--;
}

const struct policy_hit *policy_here(const struct policy_walk *w)
{
	return &w->levels[w->n].hit;
}

const struct slice *policy_path(const struct policy_walk *w, size_t *n_out)
{
	*n_out = w->n;
	return w->path;
}

size_t policy_block(const struct policy_walk *w)
{
	return w->levels[w->n].block;
}

const struct policy_array *policy_array_here(const struct policy_walk *w)
{
	const struct policy_array *best = NULL;

	for (size_t i = 0; i < w->p->n_arrays; i++) {
		const struct policy_array *r = &w->p->arrays[i];
		uint64_t at = closure(&r->pattern, 1);

		for (size_t j = 0; j < w->n && at; j++)
			at = step(&r->pattern, at, w->path[j]);
		if (matched(&r->pattern, at) &&
		    (!best || r->pattern.n > best->pattern.n ||
			(r->pattern.n == best->pattern.n &&
			    r->pattern.n_literal > best->pattern.n_literal)))
			best = r;
	}
	return best && best->merge != POLICY_ATOMIC ? best : NULL;
}
