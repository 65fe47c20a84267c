/* What steps did, as it is told: in the log, in /status, in the metrics. */
#include "sessiond/sidecar/sync_internal.h"

#include <string.h>

#include "base/clock.h"
#include "sessiond/sidecar/events.h"
#include "sessiond/sidecar/metrics.h"

static struct metric *event_metric(const char *type)
{
	if (strcmp(type, "conflict") == 0)
		return M_conflicts;
	if (strcmp(type, "rejected") == 0)
		return M_rejected;
	return strcmp(type, "restored") == 0 ? M_restored : M_other_events;
}

static void event_keep(
    struct sync *s, const char *type, struct slice path, const char *rule)
{
	struct sync_event *kept = &s->events[s->n_events++ % SYNC_EVENTS_KEPT];

	snprintf(kept->type, sizeof(kept->type), "%s", type);
	snprintf(kept->path, sizeof(kept->path), SLICE_FMT, SLICE_ARG(path));
	snprintf(kept->rule, sizeof(kept->rule), "%s", rule ? rule : "");
	kept->at_unix_ms = clock_unix_ms();
	metric_inc(event_metric(type));
	if (strcmp(type, "conflict") == 0)
		log_event(EV_settings_conflict, LF("path", kept->path),
		    LF("rule", kept->rule));
	else
		log_event(EV_settings_event, LF("type", kept->type),
		    LF("path", kept->path), LF("rule", kept->rule));
}

static bool event_is_given_back(const struct settings_event *ev)
{
	return strcmp(ev->type, "restored") == 0 && ev->rule &&
	       strcmp(ev->rule, "no-delete") == 0;
}

void sync_tell(struct sync *s, const struct settings_event *events)
{
	for (const struct settings_event *ev = events; ev; ev = ev->next) {
		event_keep(s, ev->type, ev->path, ev->rule);
		if (event_is_given_back(ev) &&
		    insist_note(&s->insist, ev->path, clock_mono_ms()))
			event_keep(s, "user_insists", ev->path, ev->rule);
	}
}

void sync_tell_one(struct sync *s, const char *type, const char *rule)
{
	event_keep(s, type, SLICE_LIT(""), rule);
}
