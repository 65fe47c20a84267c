#include "tests/unit/sessiond_core/settings_gen.h"

#include "base/must.h"
#include "sessiond/core/json_doc.h"
#include "sessiond/core/json_string.h"
#include "sessiond/core/settings_shape.h"

uint64_t gen_next(struct gen *g)
{
	g->state ^= g->state << 13;
	g->state ^= g->state >> 7;
	g->state ^= g->state << 17;
	return g->state * 0x2545f4914f6cdd1du;
}

unsigned gen_below(struct gen *g, unsigned n)
{
	return (unsigned)((gen_next(g) >> 33) % n);
}

bool gen_chance(struct gen *g, unsigned percent)
{
	return gen_below(g, 100) < percent;
}

static struct jval *parse(struct gen *g, const char *text)
{
	struct json_doc d;

	must(json_doc_parse(g->a, slice_of(text), &d) == JSON_DOC_OK);
	return jval_copy(g->a, d.root);
}

#define PICK(g, list) list[gen_below(g, (unsigned)ARRAY_LEN(list))]

static struct jval *gen_scalar(struct gen *g)
{
	static const char *const texts[] = {"1", "1.0", "2", "9007199254740993", "-0",
	    "1e3", "true", "false", "null", "\"\"", "\"a\"", "\"\\u0061\"", "\"b, // c\"",
	    "\"{\\\"\"", "\"\xc3\xa9\"", "[]", "[1]", "[\"a\", \"b\"]", "[{\"x\":1}]",
	    "{}"};

	return parse(g, PICK(g, texts));
}

static struct jval *gen_server(struct gen *g)
{
	static const char *const texts[] = {"{\"url\":\"http://a\"}",
	    "{\"url\":\"http://b\",\"headers\":{\"Authorization\":\"Bearer 1\"}}",
	    "{\"command\":\"c\",\"args\":[]}",
	    "{\"command\":\"c\",\"args\":[\"x\"],\"env\":{\"A\":\"b\"}}",
	    "{\"settings\":{}}", "{\"url\":\"http://a\",\"enabled\":true}"};

	return parse(g, PICK(g, texts));
}

struct place {
	const char *pointer;
	const char *values[6]; /* NULL ends */
};

/* What a base says, and where. */
static const struct place base_places[] = {
    {"/theme", {"\"Ayu Dark\"", "\"One Light\"",
		   "{\"mode\":\"dark\",\"light\":\"a\",\"dark\":\"b\"}"}},
    {"/format_on_save", {"\"on\"", "\"off\""}},
    {"/tab", {"1", "2", "{\"a\":1,\"b\":{\"c\":2}}", "{\"a\":2}", "[1]", "{}"}},
    {"/agent/default_model", {"{\"provider\":\"o\",\"model\":\"m1\"}",
				 "{\"provider\":\"p\",\"model\":\"m2\"}"}},
    {"/agent/show_onboarding", {"true", "false"}},
    {"/agent/dock", {"\"left\"", "\"right\""}},
    {"/languages/Go", {"{\"tab_size\":4}", "{\"tab_size\":8,\"format_on_save\":\"on\"}"}},
    {"/languages/Rust", {"{\"tab_size\":4}", "{}"}},
    {"/lsp/gopls", {"{\"settings\":{\"a\":null}}", "{\"settings\":{\"a\":1}}"}},
    {"/language_models/openai/api_url", {"\"http://x\"", "\"http://y\""}},
};

static const char *const server_names[] = {
    "helix-rag", "helix-session", "team-x", "chrome-devtools"};

static void put_at(
    struct gen *g, struct jval *root, const char *pointer, struct jval *value)
{
	struct json_pointer ptr;
	struct jval *v = root;

	must(json_pointer_parse(g->a, slice_of(pointer), &ptr));
	for (size_t i = 0; i + 1 < ptr.n; i++) {
		struct jval *child = jval_get(g->a, v, ptr.tokens[i]);

		if (!child || child->type != JVAL_OBJECT) {
			child = jval_new(g->a, JVAL_OBJECT);
			jval_put(g->a, v, ptr.tokens[i], child);
		}
		v = child;
	}
	if (value) {
		jval_put(g->a, v, ptr.tokens[ptr.n - 1], value);
		return;
	}
	value = jval_get(g->a, v, ptr.tokens[ptr.n - 1]);
	if (value)
		jval_remove(g->a, v, value);
}

static const char *server_pointer(struct gen *g, const char *name)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(200);

	buf_addf(&b, "/context_servers/%s", name);
	return arena_copy(g->a, buf_slice(&b)).p;
}

static const char *pick_value(struct gen *g, const struct place *p)
{
	unsigned n = 0;

	while (n < ARRAY_LEN(p->values) && p->values[n])
		n++;
	return p->values[gen_below(g, n)];
}

void gen_change_base(struct gen *g, struct jval *base)
{
	const struct place *p = &PICK(g, base_places);

	if (gen_chance(g, 35))
		put_at(g, base, server_pointer(g, PICK(g, server_names)),
		    gen_chance(g, 30) ? NULL : gen_server(g));
	else
		put_at(g, base, p->pointer,
		    gen_chance(g, 25) ? NULL : parse(g, pick_value(g, p)));
}

struct jval *gen_base(struct gen *g)
{
	struct jval *base = jval_new(g->a, JVAL_OBJECT);

	for (unsigned n = 2 + gen_below(g, 8); n > 0; n--)
		gen_change_base(g, base);
	return base;
}

/* Some value of the document, deeper ones too; NULL if it is empty. */
static struct jval *gen_any(struct gen *g, struct jval *root)
{
	struct jval *v = root;

	while (v->type == JVAL_OBJECT && v->n && (v == root || gen_chance(g, 65))) {
		unsigned i = gen_below(g, v->n);

		v = jval_first(v);
		while (i-- > 0)
			v = jval_next(v);
	}
	return v == root ? NULL : v;
}

static void add_member(struct gen *g, struct jval *root)
{
	static const char *const keys[] = {"x", "y", "enabled", "theme", "url", "command",
	    "args", "agent", "default_model", "tab", "a/b", "~", "", "headers"};
	struct jval *at = gen_any(g, root);

	if (!at || at->type != JVAL_OBJECT)
		at = root;
	jval_put(g->a, at, slice_of(PICK(g, keys)), gen_scalar(g));
}

static void add_block(struct gen *g, struct jval *root)
{
	static const char *const places[] = {"/linux/agent/default_model/model",
	    "/linux/theme", "/profiles/p/settings/agent/default_model",
	    "/profiles/p/settings/theme", "/stable/x", "/telemetry/metrics", "/telemetry",
	    "/server_url", "/agent_servers/mine/command", "/context_servers/mine/command",
	    "/context_servers/helix-mine/url", "/context_servers/helix-session/command",
	    "/external_sync/enabled"};

	put_at(g, root, PICK(g, places), gen_chance(g, 20) ? NULL : gen_scalar(g));
}

void gen_change_file(struct gen *g, struct jval *file)
{
	struct jval *v;
	const struct place *p;

	switch (gen_below(g, 8)) {
	case 0:
		add_member(g, file);
		return;
	case 1:
		add_block(g, file);
		return;
	case 2:
		put_at(g, file,
		    server_pointer(g, gen_chance(g, 30) ? "mine" : PICK(g, server_names)),
		    gen_chance(g, 30) ? NULL : gen_server(g));
		return;
	case 3:
		p = &PICK(g, base_places);
		put_at(g, file, p->pointer, parse(g, pick_value(g, p)));
		return;
	case 4:
	case 5:
		v = gen_any(g, file);
		if (v)
			jval_remove(g->a, v->parent, v);
		return;
	case 6:
		put_at(g, file, "/context_servers/helix-rag/enabled", parse(g, "false"));
		return;
	default:
		v = gen_any(g, file);
		if (v)
			jval_replace(g->a, v, gen_scalar(g));
	}
}

/* ---- layout ---- */

struct layout {
	struct gen *g;
	struct buf out;
	bool lines, crlf, comments, trailing;
};

static void gap(struct layout *l, size_t depth)
{
	struct gen *g = l->g;
	static const char *const comments[] = {
	    "// c", "// \"x\": 1,", "/* } */", "/* a\n b */", "// it's, {"};

	if (l->comments && gen_chance(g, 15)) {
		const char *c = PICK(g, comments);

		buf_addc(&l->out, ' ');
		buf_adds(&l->out, c);
		if (c[1] == '/' || gen_chance(g, 50))
			buf_adds(&l->out, l->crlf ? "\r\n" : "\n");
	}
	if (l->lines) {
		buf_adds(&l->out, l->crlf ? "\r\n" : "\n");
		for (size_t i = 0; i < depth; i++)
			buf_adds(&l->out, "  ");
	} else if (gen_chance(g, 50)) {
		buf_addc(&l->out, ' ');
	}
}

static void print_scalar(struct layout *l, const struct jval *v)
{
	if (v->text.p)
		buf_add_slice(&l->out, v->text);
	else
		json_string_print(&l->out, v->str);
}

/* Test documents are shallow: recursion is fine here. */
static void print_value(struct layout *l, const struct jval *v, size_t depth)
{
	bool object = v->type == JVAL_OBJECT, first = true;

	if (!object && v->type != JVAL_ARRAY) {
		print_scalar(l, v);
		return;
	}
	buf_addc(&l->out, object ? '{' : '[');
	jval_for_each (m, v) {
		if (!first)
			buf_addc(&l->out, ',');
		first = false;
		gap(l, depth + 1);
		if (object) {
			json_string_print(&l->out, m->key);
			buf_adds(&l->out, gen_chance(l->g, 80) ? ": " : ":");
		}
		print_value(l, m, depth + 1);
	}
	if (v->n && l->trailing && gen_chance(l->g, 70))
		buf_addc(&l->out, ',');
	if (v->n)
		gap(l, depth);
	buf_addc(&l->out, object ? '}' : ']');
}

struct slice gen_text(struct gen *g, const struct jval *v)
{
	struct layout l = {.g = g,
	    .out = BUF_NULL(SIZE_MAX),
	    .lines = gen_chance(g, 75),
	    .crlf = gen_chance(g, 10),
	    .comments = gen_chance(g, 60),
	    .trailing = gen_chance(g, 40)};
	struct slice s;

	if (gen_chance(g, 5))
		buf_adds(&l.out, "\xef\xbb\xbf");
	if (l.comments && gen_chance(g, 30))
		buf_adds(&l.out, "// head\n");
	print_value(&l, v, 0);
	if (gen_chance(g, 80))
		buf_adds(&l.out, "\n");
	s = arena_copy(g->a, buf_slice(&l.out));
	buf_deinit(&l.out);
	return s;
}

struct jval *gen_shuffled(struct gen *g, const struct jval *v)
{
	struct jval *out = jval_copy_leaf(g->a, v), **members;
	size_t n = 0;

	if (!jval_is_tree(v))
		return out;
	members = arena_alloc(g->a, v->n * sizeof(*members));
	jval_for_each (m, v)
		members[n++] = m;
	for (size_t i = n; i > 1; i--) {
		size_t k = gen_below(g, (unsigned)i);
		struct jval *t = members[k];

		members[k] = members[i - 1];
		members[i - 1] = t;
	}
	for (size_t i = 0; i < n; i++)
		jval_add(g->a, out, members[i]->key, gen_shuffled(g, members[i]));
	return out;
}
