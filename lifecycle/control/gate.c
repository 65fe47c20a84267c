/* Profiles as live runners offer them. */
#include "lifecycle/control/gate.h"

#include "lifecycle/wire.h"

static bool runner_is_known(const struct runner *r)
{
	return r->revision > 0 && r->heard_boot_ms > 0 && !r->silent;
}

static struct hash effective_hash(const struct spec *s, const struct offer *o)
{
	const struct offer none = OFFER_NULL;
	struct spec full = *s; /* shares the strings: neither changed nor freed */

	if (!o)
		o = &none;
	restart_rule_complete(&full.restart, &o->restart);
	stop_rule_complete(&full.stop, &o->stop);
	return wire_spec_hash(&full);
}

/* Runners mostly offer the very same file: its hash was checked before. */
static bool checked_before(const struct mirror *m, size_t before, const struct offer *o)
{
	for (size_t i = 0; i < before; i++) {
		const struct runner *r = m->candidate_runners[i];
		const struct offer *x = runner_info_offer(&r->info, &o->name);

		if (x && runner_is_known(r) && *o->hash.hex &&
		    strcmp(x->hash.hex, o->hash.hex) == 0)
			return true;
	}
	return false;
}

/* The offer that admits @s; else NULL with the reason in @out. */
static const struct offer *find_offer(
    const struct mirror *m, const struct spec *s, struct gate_answer *out)
{
	struct err e = ERR_NULL;
	bool any_runner = false;

	for (size_t i = 0; i < m->n_candidates; i++) {
		const struct runner *r = m->candidate_runners[i];
		const struct offer *o = runner_info_offer(&r->info, &s->profile);

		if (!runner_is_known(r))
			continue;
		any_runner = true;
		if (!o || checked_before(m, i, o))
			continue;
		if (offer_check(o, s, &e) == 0)
			return o;
		out->code = ERROR_INVALID;
		snprintf(out->text, sizeof(out->text), "%s", e.text);
	}
	if (any_runner && !out->code) {
		out->code = ERROR_UNKNOWN_PROFILE;
		snprintf(out->text, sizeof(out->text),
		    "no live runner offers profile \"%s\"", s->profile.s);
	}
	return NULL;
}

void gate_ask(const struct mirror *m, const struct spec *s, struct gate_answer *out)
{
	const struct offer *o;

	*out = (struct gate_answer){0};
	o = find_offer(m, s, out);
	if (o)
		out->code = 0;
	out->spec_hash = wire_spec_hash(s);
	out->effective_hash = effective_hash(s, o);
}
