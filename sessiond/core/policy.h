/* Who owns which setting: rules with path patterns, as data. And the walk that tells,
 * token by token, which rule counts at a path. */
#pragma once

#include "base/err.h"
#include "sessiond/core/json_pointer.h"

/* Strictest first: the order that decides between equally specific rules. */
enum policy_class {
	POLICY_PROTECTED,    /* the file's alone: never read, never written, never sent */
	POLICY_HELIX_OWNED,  /* where the base has a value, it is the value */
	POLICY_NO_DELETE,    /* overridden leaf by leaf, but the entry stays */
	POLICY_DEFAULT_ONCE, /* the base's value until it was applied once, then the
				user's */
	POLICY_USER_WINS,
	POLICY_CLASS_N_
};

enum {
	POLICY_RULES_MAX = 500,
	POLICY_PATTERN_TOKENS_MAX = 32,
	POLICY_PATTERN_TEXT_MAX = 1024,
};

struct policy_pattern {
	struct slice text;    /* as written */
	struct slice *tokens; /* decoded; "*" within one matches any run, "**" alone any
				 number of tokens */
	uint64_t any_depth;   /* bit i: token i is "**" */
	uint64_t literal;     /* bit i: token i has no wildcard */
	uint32_t n;
	uint32_t n_literal; /* characters that are no wildcard */
};

struct policy_rule {
	struct policy_pattern pattern;
	enum policy_class cls; /* POLICY_CLASS_N_: the rule only sets flags */
	bool secret, retire;
};

enum policy_merge { POLICY_ATOMIC, POLICY_SET, POLICY_KEYED };

struct policy_array {
	struct policy_pattern pattern;
	enum policy_merge merge;
	struct slice by; /* POLICY_KEYED */
};

struct policy {
	struct policy_rule *rules;
	size_t n_rules;
	struct policy_array *arrays;
	size_t n_arrays;
	bool disable_on_delete; /* a deleted entry comes back with "enabled": false */
};

/**
 * policy_parse() - read a policy document
 * @doc: {"rules":[...],"arrays":[...],"on_delete":...}; borrowed by the result
 *
 * Return: 0; ERROR_INVALID: @e names the member
 */
int policy_parse(struct arena *a, const struct jval *doc, struct policy *out,
    struct err *e) MUST_CHECK;
/* What counts when no policy is given. */
void policy_builtin(struct arena *a, struct policy *out);
const char *policy_class_name(enum policy_class c);

/* What the rules say about one path. */
struct policy_hit {
	enum policy_class cls;
	const struct policy_rule *rule; /* NULL: none, POLICY_USER_WINS */
	uint32_t root;  /* tokens of the path that the pattern matched: the rule covers
			   that entry whole */
	uint32_t block; /* tokens of an override block (platform, channel, profile) the
			   rule was matched behind */
	bool secret, retire;
};

/* A path under way. Rules are also matched behind /linux, /stable...,
 * /profiles/<name>/settings: Zed merges those over the rest. */
struct policy_walk;
struct policy_walk *policy_walk_new(struct arena *a, const struct policy *p);
void policy_push(struct policy_walk *w, struct slice token);
void policy_pop(struct policy_walk *w);
const struct policy_hit *policy_here(const struct policy_walk *w);
const struct slice *policy_path(const struct policy_walk *w, size_t *n_out);
/* How the array at this very path is merged; NULL: as one value. */
const struct policy_array *policy_array_here(const struct policy_walk *w);
/* Tokens of the override block this path is in: what is behind it is a path of its own.
 * 0: none. */
size_t policy_block(const struct policy_walk *w);
/* @doc has override blocks at its top. */
bool policy_has_blocks(struct arena *a, const struct jval *doc);
