/* The rules around a step: which class a path has, what Zed would choke on, what a server
 * takes of a request. */
#include "sessiond/core/jval_print.h"
#include "sessiond/core/settings_accept.h"
#include "sessiond/core/settings_flat.h"
#include "sessiond/core/settings_plan.h"
#include "sessiond/core/settings_shape.h"
#include "tests/lib/test.h"
#include "tests/unit/sessiond_core/settings_sim.h"

static struct arena a;

static int setup(void **state)
{
	(void)state;
	a = ARENA_NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_deinit(&a);
	return 0;
}

static struct jval *doc(const char *text)
{
	struct json_doc d;

	assert_int_equal(json_doc_parse_object(&a, slice_of(text), &d), JSON_DOC_OK);
	return d.root;
}

static const char *text_of(const struct jval *v)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(1 << 20);

	jval_print(&b, v);
	return arena_copy(&a, buf_slice(&b)).p;
}

static const char *text_of_u(const struct overrides *u)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(1 << 20);

	overrides_print(&b, u);
	return arena_copy(&a, buf_slice(&b)).p;
}

/* ---- classes ---- */

static struct policy_hit hit(const struct policy *p, const char *pointer)
{
	struct policy_walk *w = policy_walk_new(&a, p);
	struct json_pointer ptr;

	assert_true(json_pointer_parse(&a, slice_of(pointer), &ptr));
	for (size_t i = 0; i < ptr.n; i++)
		policy_push(w, ptr.tokens[i]);
	return *policy_here(w);
}

static void the_built_in_policy_says_who_owns_what(void **state)
{
	static const struct {
		const char *pointer;
		enum policy_class cls;
		bool secret, retire;
	} v[] = {
	    {"/telemetry/metrics", POLICY_PROTECTED, 0, 0},
	    {"/session", POLICY_PROTECTED, 0, 0},
	    {"/theme", POLICY_USER_WINS, 0, 0},
	    {"/agent", POLICY_USER_WINS, 0, 0},
	    {"/agent/default_model/model", POLICY_HELIX_OWNED, 0, 0},
	    {"/agent/thread_summary_model", POLICY_HELIX_OWNED, 0, 0},
	    {"/agent/dock", POLICY_USER_WINS, 0, 0},
	    {"/agent_servers/x/command", POLICY_HELIX_OWNED, 0, 0},
	    {"/context_servers/helix-session/url", POLICY_HELIX_OWNED, 0, 0},
	    {"/context_servers/helix-desktop", POLICY_HELIX_OWNED, 0, 0},
	    {"/context_servers/helix-rag/url", POLICY_NO_DELETE, 0, 0},
	    {"/context_servers/helix-", POLICY_NO_DELETE, 0, 0},
	    {"/context_servers/helix", POLICY_USER_WINS, 0, 0},
	    {"/context_servers/x/headers/Authorization", POLICY_USER_WINS, 1, 0},
	    {"/context_servers/x/env/MY_TOKEN_2", POLICY_USER_WINS, 1, 0},
	    {"/context_servers/x/env/HOME", POLICY_USER_WINS, 0, 0},
	    {"/language_models/openai/api_url", POLICY_HELIX_OWNED, 0, 0},
	    {"/language_models/openai/api_key", POLICY_USER_WINS, 1, 0},
	    {"/api_key", POLICY_USER_WINS, 1, 0},
	    {"/external_sync/enabled", POLICY_USER_WINS, 0, 1},
	    {"/linux/agent/default_model/model", POLICY_HELIX_OWNED, 0, 0},
	    {"/profiles/p/settings/stable/telemetry", POLICY_PROTECTED, 0, 0},
	    {"/profiles/p/agent/default_model", POLICY_USER_WINS, 0, 0},
	    {"/other/agent/default_model", POLICY_USER_WINS, 0, 0},
	};
	struct policy p;

	(void)state;
	policy_builtin(&a, &p);
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct policy_hit h = hit(&p, v[i].pointer);

		assert_int_equal(h.cls, v[i].cls);
		assert_int_equal(h.secret, v[i].secret);
		assert_int_equal(h.retire, v[i].retire);
	}
}

static void the_more_specific_rule_counts(void **state)
{
	struct policy p;
	struct err e;

	(void)state;
	assert_int_equal(
	    policy_parse(&a,
		doc("{\"rules\":["
		    "{\"path\":\"/a/*\",\"class\":\"protected\"},"
		    "{\"path\":\"/a/b*\",\"class\":\"no-delete\"},"
		    "{\"path\":\"/a/b*\",\"class\":\"helix-owned\"},"
		    "{\"path\":\"/a/*/c\",\"class\":\"user-wins\"},"
		    "{\"path\":\"/**/z\",\"class\":\"default-once\"},"
		    "{\"path\":\"/m~1n\",\"class\":\"protected\",\"secret\":true}]}"),
		&p, &e),
	    0);
	assert_int_equal(hit(&p, "/a").cls, POLICY_USER_WINS);
	assert_int_equal(hit(&p, "/a/x").cls, POLICY_PROTECTED);
	assert_int_equal(hit(&p, "/a/bx").cls, POLICY_HELIX_OWNED);
	assert_int_equal(hit(&p, "/a/bx/c/d").cls, POLICY_USER_WINS);
	assert_int_equal(hit(&p, "/a/bx/c/d").root, 3);
	assert_int_equal(hit(&p, "/z").cls, POLICY_DEFAULT_ONCE);
	assert_int_equal(hit(&p, "/q/r/z/s").cls, POLICY_DEFAULT_ONCE);
	assert_int_equal(hit(&p, "/q/r/z/s").root, 3);
	assert_true(hit(&p, "/m~1n").secret);
}

static void a_bad_policy_is_refused_by_its_member(void **state)
{
	static const char *const bad[] = {"{\"rules\":{}}", "{\"rules\":[1]}",
	    "{\"rules\":[{}]}", "{\"rules\":[{\"path\":\"a\",\"class\":\"protected\"}]}",
	    "{\"rules\":[{\"path\":\"\",\"class\":\"protected\"}]}",
	    "{\"rules\":[{\"path\":\"/a\"}]}",
	    "{\"rules\":[{\"path\":\"/a\",\"class\":\"x\"}]}",
	    "{\"rules\":[{\"path\":\"/a\",\"class\":\"protected\",\"secret\":1}]}",
	    "{\"rules\":[{\"path\":\"/a\",\"class\":\"protected\",\"x\":1}]}",
	    "{\"arrays\":[{\"path\":\"/a\",\"merge\":\"x\"}]}",
	    "{\"arrays\":[{\"path\":\"/a\",\"merge\":\"keyed\"}]}",
	    "{\"on_delete\":\"x\"}", "{\"x\":1}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct policy p;
		struct err e = ERR_NULL;

		assert_int_equal(policy_parse(&a, doc(bad[i]), &p, &e), ERROR_INVALID);
		assert_true(e.text[0] != '\0');
	}
}

/* ---- shape ---- */

static void context_servers_zed_takes_or_not(void **state)
{
	static const struct {
		const char *entry;
		enum shape_verdict verdict;
	} v[] = {
	    {"{\"command\":\"x\"}", SHAPE_REJECT},
	    {"{\"command\":\"x\",\"args\":null}", SHAPE_REJECT},
	    {"{\"command\":\"x\",\"args\":[1]}", SHAPE_REJECT},
	    {"{\"command\":\"x\",\"args\":[]}", SHAPE_OK},
	    {"{\"url\":\"u\"}", SHAPE_OK},
	    {"{\"url\":\"u\",\"headers\":{}}", SHAPE_OK},
	    {"{\"enabled\":false}", SHAPE_REJECT},
	    {"{\"args\":[]}", SHAPE_REJECT},
	    {"{\"command\":\"x\",\"args\":[],\"url\":\"u\"}", SHAPE_WARN},
	    {"{\"settings\":{}}", SHAPE_OK},
	    {"{\"command\":{\"path\":\"x\",\"args\":[]}}", SHAPE_WARN},
	    {"{\"source\":\"custom\",\"command\":\"x\",\"args\":[]}", SHAPE_WARN},
	    {"{\"url\":\"u\",\"headers\":{\"n\":1}}", SHAPE_REJECT},
	    {"{\"url\":5}", SHAPE_REJECT},
	    {"{\"url\":\"u\",\"enabled\":\"no\"}", SHAPE_REJECT},
	    {"{\"url\":\"u\",\"timeout\":-1}", SHAPE_REJECT},
	    {"{\"url\":\"u\",\"timeout\":60}", SHAPE_OK},
	    {"{\"url\":\"u\",\"oauth\":{}}", SHAPE_REJECT},
	    {"{\"url\":\"u\",\"oauth\":{\"client_id\":\"c\"}}", SHAPE_OK},
	};
	struct slice path[] = {SLICE_LIT("context_servers"), SLICE_LIT("x")};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		assert_int_equal(
		    shape_check(&a, SHAPE_CONTEXT_SERVER, path, 2, doc(v[i].entry))
			.verdict,
		    v[i].verdict);
}

static void every_bad_unit_of_a_document_is_found(void **state)
{
	static const char *const paths[] = {"/context_servers/a/args", "/languages/Go",
	    "/lsp", "/auto_install_extensions/x", "/command_aliases/w", "/theme",
	    "/linux/context_servers/b", "/profiles/p/settings/languages/C", "/profiles/q",
	    "/agent_servers/m/command"};
	struct shape_finding *f = shape_check_document(&a,
	    doc("{\"context_servers\":{\"a\":{\"command\":\"x\"},\"ok\":{\"url\":\"u\"}},"
		"\"languages\":{\"Go\":1},\"lsp\":null,\"auto_install_extensions\":{"
		"\"x\":\"y\",\"z\":true},"
		"\"command_aliases\":{\"w\":1,\"q\":[\"a\"]},\"theme\":{\"mode\":"
		"\"dark\"},"
		"\"linux\":{\"context_servers\":{\"b\":{}},\"theme\":\"x\"},"
		"\"profiles\":{\"p\":{\"settings\":{\"languages\":{\"C\":[]}}},\"q\":1},"
		"\"agent_servers\":{\"m\":{\"type\":\"custom\"},\"claude\":{}}}"));

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		assert_non_null(f);
		assert_string_equal(arena_copy(&a, f->path).p, paths[i]);
		f = f->next;
	}
	assert_null(f);
}

/* ---- requests ---- */

static void bases_are_joined_deeply(void **state)
{
	static const struct {
		const char *under, *over, *joined;
	} v[] = {
	    {"{\"a\":1,\"o\":{\"x\":1,\"y\":[1]}}",
		"{\"o\":{\"y\":[2],\"z\":null},\"b\":2}",
		"{\"a\":1,\"o\":{\"x\":1,\"y\":[2],\"z\":null},\"b\":2}"},
	    {"{\"o\":{\"x\":1}}", "{\"o\":{}}", "{\"o\":{\"x\":1}}"},
	    {"{\"o\":{\"x\":1}}", "{\"o\":5}", "{\"o\":5}"},
	    {"{\"o\":5}", "{\"o\":{\"x\":{\"y\":1}},\"p\":1}",
		"{\"o\":{\"x\":{\"y\":1}},\"p\":1}"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		assert_string_equal(
		    text_of(settings_join(&a, doc(v[i].under), doc(v[i].over))),
		    v[i].joined);
}

static struct policy policy0(void)
{
	struct policy p;
	struct err e;

	assert_int_equal(policy_parse(&a, doc(P0), &p, &e), 0);
	return p;
}

static const char *notes(const struct settings_note *n)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(1 << 20);

	for (; n; n = n->next)
		buf_addf(&b, "%.*s=%s ", (int)n->path.n, n->path.p, n->text);
	return arena_copy(&a, buf_slice(&b)).p;
}

static void a_plain_document_is_freed_of_what_is_not_the_users(void **state)
{
	struct settings_verdict v = {0};
	struct policy p = policy0();
	struct overrides u = settings_accept_plain(&a, doc(B0), &p,
	    doc("{\"theme\":\"Ayu "
		"Dark\",\"format_on_save\":\"on\",\"telemetry\":{\"x\":1},"
		"\"agent\":{\"default_model\":{\"model\":\"m2\",\"provider\":\"openai\"},"
		"\"dock\":\"left\"},"
		"\"context_servers\":{\"helix-rag\":{\"enabled\":false},\"helix-"
		"session\":5}}"),
	    &v);

	(void)state;
	assert_string_equal(text_of_u(&u),
	    "{\"set\":{\"/format_on_save\":\"on\",\"/agent/dock\":\"left\",\"/"
	    "context_servers/helix-rag/"
	    "enabled\":false},\"del\":[]}");
	assert_string_equal(notes(v.rejected),
	    "/telemetry/x=protected /agent/default_model/model=helix-owned "
	    "/context_servers/helix-session=helix-owned ");
}

static const char *apply(const char *current, const char *ops, struct settings_verdict *v)
{
	struct policy p = policy0();
	struct overrides u, out;
	struct overrides_ops o;

	assert_null(overrides_parse(&a, doc(current), &u));
	assert_null(overrides_ops_parse(&a, doc(ops), &o));
	assert_null(settings_accept_ops(&a, doc(B0), &p, &u, &o, &out, v));
	return text_of_u(&out);
}

static void operations_are_applied_by_class(void **state)
{
	static const struct {
		const char *current, *ops, *after, *rejected;
	} v[] = {
	    {"{}", "{\"set\":{\"/theme\":\"X\"}}",
		"{\"set\":{\"/theme\":\"X\"},\"del\":[]}", ""},
	    {"{\"set\":{\"/theme\":\"X\"}}", "{\"set\":{\"/theme\":\"Ayu Dark\"}}",
		"{\"set\":{},\"del\":[]}", ""},
	    {"{}", "{\"del\":[\"/nothing\"]}", "{\"set\":{},\"del\":[]}", ""},
	    {"{\"set\":{\"/mine\":1}}", "{\"del\":[\"/mine\"]}",
		"{\"set\":{},\"del\":[]}", ""},
	    {"{}", "{\"del\":[\"/context_servers/team-x\"]}",
		"{\"set\":{},\"del\":[\"/context_servers/team-x/command\",\"/"
		"context_servers/team-x/args\"]}",
		""},
	    {"{\"set\":{\"/context_servers/helix-rag/enabled\":false}}",
		"{\"del\":[\"/context_servers\"]}",
		"{\"set\":{\"/context_servers/helix-rag/"
		"enabled\":false},\"del\":[\"/context_servers/team-x/command\",\"/"
		"context_servers/team-x/args\"]}",
		"/context_servers/helix-rag=no-delete "
		"/context_servers/helix-session=helix-owned "},
	    {"{\"set\":{\"/a/b\":1,\"/a/c\":2}}",
		"{\"clear\":[\"/a\"],\"set\":{\"/d\":{\"e\":1}}}",
		"{\"set\":{\"/d/e\":1},\"del\":[]}", ""},
	    {"{}", "{\"set\":{\"/agent\":5,\"/telemetry/x\":1}}",
		"{\"set\":{},\"del\":[]}", "/agent=guarded /telemetry/x=protected "},
	    {"{\"set\":{\"/theme/mode\":\"m\"}}", "{\"set\":{\"/theme\":\"X\"}}",
		"{\"set\":{\"/theme\":\"X\"},\"del\":[]}", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct settings_verdict verdict = {0};

		assert_string_equal(apply(v[i].current, v[i].ops, &verdict), v[i].after);
		assert_string_equal(notes(verdict.rejected), v[i].rejected);
	}
}

static void bad_operations_are_named_by_their_pointer(void **state)
{
	static const char *const bad[] = {"{\"set\":{\"a\":1}}", "{\"set\":{\"\":1}}",
	    "{\"set\":{\"/~2\":1}}", "{\"set\":[]}", "{\"del\":{}}", "{\"del\":[1]}",
	    "{\"clear\":\"/a\"}", "{\"x\":1}", "{\"set\":{\"/a\":1,\"/a/b\":2}}",
	    "{\"set\":{\"/a\":1},\"del\":[\"/a\"]}",
	    "{\"del\":[\"/a/b\"],\"clear\":[\"/a\"]}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct overrides_ops o;

		assert_non_null(overrides_ops_parse(&a, doc(bad[i]), &o));
	}
}

static void an_array_is_one_value_for_pointers(void **state)
{
	struct policy p = policy0();
	struct overrides u = overrides_new(&a), out;
	struct overrides_ops o;
	struct settings_verdict v = {0};

	(void)state;
	assert_null(overrides_ops_parse(
	    &a, doc("{\"set\":{\"/context_servers/team-x/args/0\":1}}"), &o));
	assert_non_null(settings_accept_ops(&a, doc(B0), &p, &u, &o, &out, &v));
}

static const char *delta(const char *from, const char *to, const char *base)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(1 << 20);
	struct overrides x, y;

	assert_null(overrides_parse(&a, doc(from), &x));
	assert_null(overrides_parse(&a, doc(to), &y));
	overrides_print_delta_over(&a, &x, &y, doc(base), &b);
	return arena_copy(&a, buf_slice(&b)).p;
}

static void an_object_in_an_arrays_place_goes_up_whole(void **state)
{
	(void)state;
	assert_string_equal(delta("{}", "{\"set\":{\"/l/a\":1,\"/l/b/c\":2,\"/m\":3}}",
				"{\"l\":[1]}"),
	    "{\"set\":{\"/l\":{\"a\":1,\"b\":{\"c\":2}},\"/m\":3},\"del\":[],\"clear\":[]}");
	assert_string_equal(delta("{\"set\":{\"/l\":[1]}}", "{\"set\":{\"/l/a\":1}}", "{}"),
	    "{\"set\":{\"/l\":{\"a\":1}},\"del\":[],\"clear\":[]}");
	assert_string_equal(
	    delta("{\"set\":{\"/l/a\":1,\"/l/b\":2}}", "{}", "{\"l\":[1]}"),
	    "{\"set\":{},\"del\":[],\"clear\":[\"/l\"]}");
}

static void what_zed_would_choke_on_is_flagged(void **state)
{
	struct policy p = policy0();
	struct overrides u;

	(void)state;
	overrides_parse(&a,
	    doc("{\"set\":{\"/context_servers/x/enabled\":false,\"/context_servers/"
		"team-x/args\":null,\"/languages/Rust\":1,"
		"\"/context_servers/y\":{\"url\":\"u\"}}}"),
	    &u);
	assert_string_equal(notes(settings_find_invalid(&a, doc(B0), &u, &p)),
	    "/context_servers/team-x=must be an array of strings "
	    "/context_servers/x=needs command and args, "
	    "url, or settings /languages/Rust=must be an object ");
}

static void the_flat_form_has_the_types_helix_decodes(void **state)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(1 << 20);
	const struct settings_flat f = {
	    .settings = doc("{\"context_servers\":null,\"agent\":{\"x\":1.0},"
			    "\"assistant\":5,\"theme\":{}}"),
	    .helix = doc("{\"color_scheme\":\"dark\",\"code_agent_config\":null}"),
	    .version = 7,
	    .session_id = "ses_1"};

	(void)state;
	settings_flat_print(&a, &b, &f);
	assert_string_equal(buf_cstr(&b),
	    "{\"settings\":{\"context_servers\":null,\"agent\":{\"x\":1.0},\"assistant\":"
	    "5,\"theme\":{}},"
	    "\"version\":7,\"session_id\":\"ses_1\",\"context_servers\":{},\"agent\":{"
	    "\"x\":1.0},"
	    "\"theme\":\"\",\"color_scheme\":\"dark\",\"code_agent_config\":null}");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_MAIN(CASE(the_built_in_policy_says_who_owns_what),
    CASE(the_more_specific_rule_counts), CASE(a_bad_policy_is_refused_by_its_member),
    CASE(context_servers_zed_takes_or_not), CASE(every_bad_unit_of_a_document_is_found),
    CASE(bases_are_joined_deeply),
    CASE(a_plain_document_is_freed_of_what_is_not_the_users),
    CASE(operations_are_applied_by_class),
    CASE(bad_operations_are_named_by_their_pointer),
    CASE(an_array_is_one_value_for_pointers),
    CASE(an_object_in_an_arrays_place_goes_up_whole), CASE(what_zed_would_choke_on_is_flagged),
    CASE(the_flat_form_has_the_types_helix_decodes))
