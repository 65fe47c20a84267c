/* Format rules of commands. */
#include "lifecycle/core/command.h"

enum {
	START_DEADLINE_MS_DEFAULT = 300000,
};

static const int64_t start_deadline_ms_max = INT64_C(366) * 86400 * 1000;

void command_deinit(struct command *c)
{
	spec_deinit(&c->spec);
	*c = COMMAND_NULL;
}

/* The body may repeat what the subject says, or leave it out; it may not say otherwise.
 */
static int command_take_id(
    const char *field, struct id *body, const struct id *subject, struct err *e)
{
	if (id_empty(subject))
		return 0;
	if (!id_empty(body) && !id_eq(body, subject))
		return err_set(e, ERROR_INVALID,
		    "%s: \"%s\" differs from the subject's \"%s\"", field, body->s,
		    subject->s);
	*body = *subject;
	return 0;
}

static int command_check_start(struct command *c, struct err *e)
{
	int r;

	c->spec.tenant = c->tenant;
	c->spec.instance_id = c->instance_id;
	if (c->start_deadline_ms < 0)
		c->start_deadline_ms = START_DEADLINE_MS_DEFAULT;
	if (c->start_deadline_ms > start_deadline_ms_max)
		return err_set(e, ERROR_INVALID, "start_deadline_ms: %lld is over a year",
		    (long long)c->start_deadline_ms);
	r = spec_check(&c->spec, e);
	if (!r)
		spec_fill(&c->spec);
	return r;
}

int command_check(struct command *c, const struct id *tenant,
    const struct id *instance_id, struct err *e)
{
	int r = command_take_id("tenant", &c->tenant, tenant, e);

	if (!r)
		r = command_take_id("instance_id", &c->instance_id, instance_id, e);
	if (r)
		return r;
	if (id_empty(&c->tenant))
		c->tenant = (struct id){"default"};
	if (id_empty(&c->instance_id))
		return err_set(e, ERROR_INVALID, "instance_id: missing");
	if (c->verb == VERB_START)
		return command_check_start(c, e);
	if (c->verb == VERB_SIGNAL && c->signal == 0)
		return err_set(e, ERROR_INVALID, "signal: missing");
	if (c->verb == VERB_STOP &&
	    (c->stop.grace_ms < -1 || c->stop.grace_ms > GRACE_MS_MAX))
		return err_set(e, ERROR_INVALID, "grace_ms: %lld is not within 0..%d",
		    (long long)c->stop.grace_ms, GRACE_MS_MAX);
	return 0;
}
