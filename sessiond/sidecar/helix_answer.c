/* Types by table: one wrong field makes the whole answer none, as it does for Helix's
 * daemon. */
#include "sessiond/sidecar/helix_answer.h"

#include "base/must.h"

enum field_kind {
	FIELD_OBJECT,
	FIELD_STRING,
	FIELD_WHOLE,
	FIELD_BOOL,
	FIELD_LIST, /* of objects */
};

static const char *const field_kind_names[] = {
    "an object", "a string", "a whole number", "a boolean", "a list of objects"};

struct field {
	const char *name;
	enum field_kind kind;
};

static const struct field answer_fields[] = {{"context_servers", FIELD_OBJECT},
    {"language_models", FIELD_OBJECT}, {"assistant", FIELD_OBJECT},
    {"external_sync", FIELD_OBJECT}, {"agent", FIELD_OBJECT}, {"theme", FIELD_STRING},
    {"color_scheme", FIELD_STRING}, {"version", FIELD_WHOLE},
    {"code_agent_config", FIELD_OBJECT}, {"claude_subscription_available", FIELD_BOOL},
    {"codex_subscription_available", FIELD_BOOL}};

static const struct field agent_fields[] = {{"provider", FIELD_STRING},
    {"model", FIELD_STRING}, {"agent_name", FIELD_STRING}, {"base_url", FIELD_STRING},
    {"api_type", FIELD_STRING}, {"runtime", FIELD_STRING},
    {"reasoning_effort", FIELD_STRING}, {"service_tier", FIELD_STRING},
    {"max_tokens", FIELD_WHOLE}, {"max_output_tokens", FIELD_WHOLE},
    {"goose_recipes", FIELD_LIST}, {"goose_recipe_root_dir", FIELD_STRING},
    {"goose_baked_recipe", FIELD_OBJECT}};

static const struct field recipe_fields[] = {
    {"name", FIELD_STRING}, {"path", FIELD_STRING}, {"content", FIELD_STRING}};

/* Nothing but digits, with a sign: what fits a 64-bit number. */
static bool field_is_whole(struct slice text)
{
	size_t i = text.n && text.p[0] == '-';

	if (text.n == i || text.n > i + 18)
		return false;
	while (i < text.n && text.p[i] >= '0' && text.p[i] <= '9')
		i++;
	return i == text.n;
}

static bool field_fits(const struct jval *v, enum field_kind kind)
{
	if (!v || v->type == JVAL_NULL)
		return true;
	switch (kind) {
	case FIELD_OBJECT:
		return v->type == JVAL_OBJECT;
	case FIELD_STRING:
		return v->type == JVAL_STRING;
	case FIELD_BOOL:
		return v->type == JVAL_BOOL;
	case FIELD_WHOLE:
		return v->type == JVAL_NUMBER && field_is_whole(v->text);
	case FIELD_LIST:
		break;
	}
	if (v->type != JVAL_ARRAY)
		return false;
	jval_for_each (item, v) {
		if (item->type != JVAL_OBJECT && item->type != JVAL_NULL)
			return false;
	}
	return true;
}

static int fields_check(struct arena *a, const struct jval *obj, const char *where,
    const struct field *fields, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (!field_fits(jval_get_str(a, obj, fields[i].name), fields[i].kind))
			return err_set(e, ERROR_INVALID,
			    "the answer is not understood: %s%s is not %s", where,
			    fields[i].name, field_kind_names[fields[i].kind]);
	}
	return 0;
}

static int agent_check(struct arena *a, const struct jval *config, struct err *e)
{
	const struct jval *baked = jval_get_str(a, config, "goose_baked_recipe");
	int r = fields_check(a, config, "code_agent_config/", agent_fields,
	    ARRAY_LEN(agent_fields), e);

	if (!r)
		r = fields_check(a, baked, "code_agent_config/goose_baked_recipe/",
		    recipe_fields, ARRAY_LEN(recipe_fields), e);
	if (r)
		return r;
	jval_for_each (recipe, jval_get_str(a, config, "goose_recipes")) {
		r = fields_check(a, recipe, "code_agent_config/goose_recipes/",
		    recipe_fields, ARRAY_LEN(recipe_fields), e);
		if (r)
			return r;
	}
	return 0;
}

int helix_answer_check(struct arena *a, const struct jval *answer, struct err *e)
{
	size_t n_known = 0;
	int r =
	    fields_check(a, answer, "", answer_fields, ARRAY_LEN(answer_fields), e);

	if (!r)
		r = agent_check(a, jval_get_str(a, answer, "code_agent_config"), e);
	if (r)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(answer_fields); i++)
		n_known += jval_get_str(a, answer, answer_fields[i].name) != NULL;
	if (n_known == 0)
		return err_set(e, ERROR_INVALID,
		    "the answer is not understood: nothing of a configuration is in it");
	return 0;
}

struct slice helix_string(struct arena *a, const struct jval *obj, const char *key)
{
	const struct jval *v = jval_get_str(a, obj, key);

	return v && v->type == JVAL_STRING ? v->str : (struct slice){"", 0};
}

static struct slice agent_number(
    struct arena *a, const struct jval *config, const char *key)
{
	const struct jval *v = jval_get_str(a, config, key);

	return v && v->type == JVAL_NUMBER && !slice_is(v->text, "0")
		   ? v->text
		   : (struct slice){"", 0};
}

bool helix_answer_agent(
    struct arena *a, const struct jval *answer, struct helix_agent *out)
{
	const struct jval *c = jval_get_str(a, answer, "code_agent_config"), *baked;

	if (!jval_is_object(c))
		return false;
	baked = jval_get_str(a, c, "goose_baked_recipe");
	*out = (struct helix_agent){.runtime = helix_string(a, c, "runtime"),
	    .model = helix_string(a, c, "model"),
	    .base_url = helix_string(a, c, "base_url"),
	    .api_type = helix_string(a, c, "api_type"),
	    .reasoning_effort = helix_string(a, c, "reasoning_effort"),
	    .service_tier = helix_string(a, c, "service_tier"),
	    .max_tokens = agent_number(a, c, "max_tokens"),
	    .max_output_tokens = agent_number(a, c, "max_output_tokens"),
	    .recipes = jval_get_str(a, c, "goose_recipes"),
	    .recipe_root = helix_string(a, c, "goose_recipe_root_dir"),
	    .baked_name = helix_string(a, baked, "name"),
	    .baked_content = helix_string(a, baked, "content")};
	return true;
}
