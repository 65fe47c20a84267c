/* TOML is changed statement by statement: those that Helix has a say in are left out and
 * written anew, all others stay as they are, comments too. */
#include "sessiond/sidecar/helix_files.h"

#include "base/must.h"
#include "sessiond/core/json_string.h"

struct toml {
	struct slice text;
	size_t at;
	struct slice table; /* inside the brackets of the header that counts; empty: none */
};

static bool toml_starts(const struct toml *t, const char *what)
{
	return slice_starts((struct slice){t->text.p + t->at, t->text.n - t->at},
	    slice_of(what));
}

/* Over a string that begins here; false if it does not end. */
static bool toml_skip_string(struct toml *t)
{
	char quote = t->text.p[t->at];
	const char *three = quote == '"' ? "\"\"\"" : "'''";
	bool is_long = toml_starts(t, three);

	t->at += is_long ? 3 : 1;
	while (t->at < t->text.n) {
		char c = t->text.p[t->at];

		if (c == '\\' && quote == '"') {
			t->at += 2;
		} else if (is_long ? toml_starts(t, three) : c == quote) {
			t->at += is_long ? 3 : 1;
			return true;
		} else if (c == '\n' && !is_long) {
			return false;
		} else {
			t->at++;
		}
	}
	return false;
}

/* Over one statement with its line's end: what is in strings and brackets may hold
 * lines. */
static bool toml_skip(struct toml *t)
{
	int depth = 0;

	while (t->at < t->text.n) {
		char c = t->text.p[t->at];

		if (c == '"' || c == '\'') {
			if (!toml_skip_string(t))
				return false;
			continue;
		}
		if (c == '#') {
			while (t->at < t->text.n && t->text.p[t->at] != '\n')
				t->at++;
			continue;
		}
		depth += c == '[' || c == '{';
		depth -= c == ']' || c == '}';
		t->at++;
		if (depth < 0)
			return false;
		if (c == '\n' && depth == 0)
			return true;
	}
	return depth == 0;
}

static struct slice toml_trim(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n && strchr(" \t\r\n", s.p[s.n - 1]))
		s.n--;
	return s;
}

/* What stands before the "=", or in the brackets of a header. */
static struct slice toml_key(struct slice statement)
{
	struct slice s = toml_trim(statement);
	const char *end;

	if (!s.n || s.p[0] == '#')
		return (struct slice){s.p, 0};
	if (s.p[0] == '[') {
		while (s.n && s.p[0] == '[') {
			s.p++;
			s.n--;
		}
		end = memchr(s.p, ']', s.n);
	} else {
		end = memchr(s.p, '=', s.n);
	}
	s = toml_trim((struct slice){s.p, end ? (size_t)(end - s.p) : 0});
	if (s.n > 1 && strchr("\"'", s.p[0]) && s.p[s.n - 1] == s.p[0])
		s = (struct slice){s.p + 1, s.n - 2};
	return s;
}

static bool toml_is_at_or_below(struct slice key, const char *name)
{
	struct slice n = slice_of(name);

	return slice_starts(key, n) && (key.n == n.n || key.p[n.n] == '.');
}

/* Helix says this one. */
static bool codex_is_ours(const struct toml *t, struct slice statement, bool provider)
{
	static const char *const keys[] = {"approval_policy", "sandbox_mode", "model"};
	struct slice key = toml_key(statement);

	if (t->table.n)
		return toml_is_at_or_below(t->table, "model_providers.helix") ||
		       (slice_is(t->table, "model_providers") &&
			   toml_is_at_or_below(key, "helix"));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (slice_is(key, keys[i]))
			return true;
	}
	if (toml_is_at_or_below(key, "model_providers.helix"))
		return true;
	return slice_is(key, "model_provider") &&
	       (provider || memmem(statement.p, statement.n, "\"helix\"", 7));
}

static void codex_add(struct buf *out, const char *key, struct slice value)
{
	buf_addf(out, "%s = ", key);
	json_string_print(out, value); /* a basic string of TOML has the same escapes */
	buf_addc(out, '\n');
}

static void codex_add_provider(struct buf *out, struct slice base_url)
{
	if (out->n && out->data[out->n - 1] != '\n')
		buf_addc(out, '\n');
	buf_adds(out, "[model_providers.helix]\nname = \"Helix\"\n");
	codex_add(out, "base_url", base_url);
	buf_adds(out, "env_key = \"OPENAI_API_KEY\"\nwire_api = \"responses\"\n"
		      "supports_websockets = false\n");
}

static int codex_keep_others(struct slice now, bool provider, struct buf *out, struct err *e)
{
	struct toml t = {.text = now};

	while (t.at < now.n) {
		size_t from = t.at;
		struct slice statement;

		if (!toml_skip(&t))
			return err_set(e, ERROR_INVALID, "a value at byte %zu does not end",
			    from);
		statement = (struct slice){now.p + from, t.at - from};
		if (toml_trim(statement).n && toml_trim(statement).p[0] == '[')
			t.table = toml_key(statement);
		if (!codex_is_ours(&t, statement, provider))
			buf_add_slice(out, statement);
	}
	return 0;
}

int helix_codex_config(struct slice now, struct slice model, struct slice base_url,
    struct buf *out, struct err *e)
{
	codex_add(out, "approval_policy", SLICE_LIT("never"));
	codex_add(out, "sandbox_mode", SLICE_LIT("danger-full-access"));
	if (model.n)
		codex_add(out, "model", model);
	if (base_url.n)
		codex_add(out, "model_provider", SLICE_LIT("helix"));
	if (codex_keep_others(now, base_url.n > 0, out, e))
		return ERROR_INVALID;
	if (base_url.n)
		codex_add_provider(out, base_url);
	return 0;
}
