/* Helix's own answer to GET zed-config: is it one at all, and what it says of the agent. */
#pragma once

#include "base/err.h"
#include "sessiond/core/jval.h"

/* Every field has the type Helix gives it (or is null), and there is at least one: what
 * another program answers by mistake must not empty a settings file. Return: 0;
 * ERROR_INVALID: @e names the field */
int helix_answer_check(
    struct arena *a, const struct jval *answer, struct err *e) MUST_CHECK;

/* code_agent_config. Strings are empty, lists NULL where nothing is said. */
struct helix_agent {
	struct slice runtime, model, base_url, api_type, reasoning_effort, service_tier;
	struct slice max_tokens, max_output_tokens; /* as written; empty: 0 or not said */
	const struct jval *recipes;                 /* [{"name","path"}] */
	struct slice recipe_root;
	struct slice baked_name, baked_content;
};

/* False: no agent is configured. Borrows from @answer, which must have passed the check.
 */
bool helix_answer_agent(
    struct arena *a, const struct jval *answer, struct helix_agent *out);

/* "" if there is none. */
struct slice helix_string(struct arena *a, const struct jval *obj, const char *key);
