/* Rules of what may be asked to run. */
#include "lifecycle/core/spec.h"

#include "base/utf8.h"
#include "lifecycle/core/offer.h"

#include <signal.h>

enum {
	READY_TIMEOUT_MS_DEFAULT = 60000,
	LOST_AFTER_MS_DEFAULT = 300000,
	IDLE_TIMEOUT_MS_DEFAULT = 0,
	RESTART_MAX_DEFAULT = 5,
	RESTART_WINDOW_MS_DEFAULT = 600000,
	GRACE_MS_DEFAULT = 10000,
};

/* About a year: what is longer is a mistake, and sums of two still fit. */
static const int64_t duration_ms_max = INT64_C(366) * 86400 * 1000;

static char *spec_dup(const char *s)
{
	char *copy = s ? strdup(s) : NULL;

	must(!s || copy);
	return copy;
}

void spec_deinit(struct spec *s)
{
	strmap_deinit(&s->params);
	strmap_deinit(&s->env);
	strmap_deinit(&s->labels);
	free(s->workspace);
	free(s->helix_user_id);
	free(s->helix_spec_task_id);
	*s = SPEC_NULL;
}

void spec_copy(struct spec *out, const struct spec *s)
{
	*out = *s;
	strmap_copy(&out->params, &s->params);
	strmap_copy(&out->env, &s->env);
	strmap_copy(&out->labels, &s->labels);
	out->workspace = spec_dup(s->workspace);
	out->helix_user_id = spec_dup(s->helix_user_id);
	out->helix_spec_task_id = spec_dup(s->helix_spec_task_id);
}

static bool text_has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

static int check_text(const char *field, const char *s, struct err *e)
{
	if (!s)
		return 0;
	if (strlen(s) > SPEC_TEXT_MAX)
		return err_set(
		    e, ERROR_INVALID, "%s: over %d bytes", field, SPEC_TEXT_MAX);
	if (text_has_control(s))
		return err_set(e, ERROR_INVALID, "%s: holds a control character", field);
	return 0;
}

static int check_duration(const char *field, int64_t ms, int64_t max, struct err *e)
{
	if (ms < -1 || ms > max)
		return err_set(e, ERROR_INVALID, "%s: %lld is not within 0..%lld", field,
		    (long long)ms, (long long)max);
	return 0;
}

static int check_env(const struct strmap *env, struct err *e)
{
	if (env->n > SPEC_ENV_MAX)
		return err_set(
		    e, ERROR_INVALID, "env: %zu names, at most %d", env->n, SPEC_ENV_MAX);
	for (size_t i = 0; i < env->n; i++) {
		const char *name = env->items[i].key;

		if (!env_name_valid(slice_of(name)))
			return err_set(e, ERROR_INVALID,
			    "env: \"%.130s\" is not a name "
			    "([A-Za-z_][A-Za-z0-9_]{0,127})",
			    name);
		if (env_name_forbidden(name))
			return err_set(
			    e, ERROR_INVALID, "env: %s may not be set by a start", name);
		if (strlen(env->items[i].value) > SPEC_ENV_VALUE_MAX)
			return err_set(e, ERROR_INVALID, "env: %s is over %d bytes", name,
			    SPEC_ENV_VALUE_MAX);
	}
	return 0;
}

static int check_labels(const struct strmap *labels, struct err *e)
{
	if (labels->n > SPEC_LABELS_MAX)
		return err_set(e, ERROR_INVALID, "labels: %zu of them, at most %d",
		    labels->n, SPEC_LABELS_MAX);
	for (size_t i = 0; i < labels->n; i++) {
		const struct strmap_pair *p = &labels->items[i];

		if (!*p->key || strlen(p->key) > SPEC_LABEL_BYTES_MAX ||
		    strlen(p->value) > SPEC_LABEL_BYTES_MAX || text_has_control(p->key) ||
		    text_has_control(p->value))
			return err_set(e, ERROR_INVALID,
			    "labels: \"%.64s\": key and value are at most %d bytes "
			    "without control characters",
			    p->key, SPEC_LABEL_BYTES_MAX);
	}
	return 0;
}

static int check_numbers(const struct spec *s, struct err *e)
{
	int r;

	if (s->restart.max < -1 || s->restart.max > RESTART_MAX_MAX)
		return err_set(e, ERROR_INVALID, "restart.max: %lld is not within 0..%d",
		    (long long)s->restart.max, RESTART_MAX_MAX);
	r = check_duration("restart.window_ms", s->restart.window_ms, duration_ms_max, e);
	if (!r)
		r = check_duration("stop.grace_ms", s->stop.grace_ms, GRACE_MS_MAX, e);
	if (!r)
		r = check_duration(
		    "ready.timeout_ms", s->ready_timeout_ms, duration_ms_max, e);
	if (!r)
		r = check_duration("lost_after_ms", s->lost_after_ms, duration_ms_max, e);
	if (!r)
		r = check_duration(
		    "idle_timeout_ms", s->idle_timeout_ms, duration_ms_max, e);
	return r;
}

int spec_check(const struct spec *s, struct err *e)
{
	int r;

	if (id_empty(&s->instance_id))
		return err_set(e, ERROR_INVALID, "instance_id: missing");
	if (id_empty(&s->profile))
		return err_set(e, ERROR_INVALID, "profile: missing");
	if (s->params.n > SPEC_PARAMS_MAX)
		return err_set(e, ERROR_INVALID, "params: %zu of them, at most %d",
		    s->params.n, SPEC_PARAMS_MAX);
	r = check_env(&s->env, e);
	if (!r)
		r = check_labels(&s->labels, e);
	if (!r)
		r = check_text("workspace", s->workspace, e);
	if (!r)
		r = check_text("helix.user_id", s->helix_user_id, e);
	if (!r)
		r = check_text("helix.spec_task_id", s->helix_spec_task_id, e);
	if (!r)
		r = check_numbers(s, e);
	return r;
}

void spec_fill(struct spec *s)
{
	if (s->ready_timeout_ms < 0)
		s->ready_timeout_ms = READY_TIMEOUT_MS_DEFAULT;
	if (s->on_lost == ON_LOST_UNSET)
		s->on_lost = ON_LOST_KEEP;
	if (s->lost_after_ms < 0)
		s->lost_after_ms = LOST_AFTER_MS_DEFAULT;
	if (s->idle_timeout_ms < 0)
		s->idle_timeout_ms = IDLE_TIMEOUT_MS_DEFAULT;
}

void restart_rule_complete(struct restart_rule *r, const struct restart_rule *profile)
{
	if (r->policy == RESTART_UNSET)
		r->policy = profile->policy != RESTART_UNSET ? profile->policy
							     : RESTART_ON_FAILURE;
	if (r->max < 0)
		r->max = profile->max >= 0 ? profile->max : RESTART_MAX_DEFAULT;
	if (r->window_ms < 0)
		r->window_ms = profile->window_ms >= 0 ? profile->window_ms
						       : RESTART_WINDOW_MS_DEFAULT;
}

void stop_rule_complete(struct stop_rule *r, const struct stop_rule *profile)
{
	if (r->signal == 0)
		r->signal = profile->signal ? profile->signal : SIGTERM;
	if (r->grace_ms < 0)
		r->grace_ms =
		    profile->grace_ms >= 0 ? profile->grace_ms : GRACE_MS_DEFAULT;
}
