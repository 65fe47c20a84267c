#include "tests/unit/sessiond_sidecar/decide_bed.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"

int bed_setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	b->now_ms = 1000;
	*state = b;
	return 0;
}

int bed_teardown(void **state)
{
	struct bed *b = *state;

	decide_output_deinit(&b->out);
	record_deinit(&b->last);
	free(b);
	return 0;
}

void bed_put(struct bed *b, const char *text)
{
	snprintf(b->file, sizeof(b->file), "%s", text);
	b->exists = true;
}

int bed_step_raw(struct bed *b)
{
	char op[32], wait[32];
	struct slice file = slice_of(b->file);
	struct decide_input in = {.last = &b->last,
	    .file = b->exists ? &file : NULL,
	    .base = slice_of(b->base),
	    .policy = slice_of(b->policy),
	    .server = slice_of(b->server),
	    .base_tag = slice_of(!b->base	   ? NULL
				     : b->base_tag ? b->base_tag
						   : "\"b\""),
	    .server_tag = slice_of(b->server ? "\"s\"" : NULL),
	    .plain = b->plain,
	    .migrating = b->migrating,
	    .before = slice_of(b->before),
	    .after = slice_of(b->after),
	    .since_write_us = b->since_write_us,
	    .bulk = b->bulk,
	    .first = b->first,
	    .op_id = b->offline ? NULL : op,
	    .wait_id = wait,
	    .now_unix_ms = b->now_ms};

	snprintf(op, sizeof(op), "op%u", ++b->n_ops);
	snprintf(wait, sizeof(wait), "w%u", b->n_ops);
	decide_output_deinit(&b->out);
	return decide(&in, &b->out, &b->e);
}

void bed_step(struct bed *b)
{
	assert_int_equal(bed_step_raw(b), 0);
	assert_int_equal(b->out.plan.state, SETTINGS_OK);
	if (b->out.write)
		bed_put(b, record_str(&b->out.next, RECORD_TEXT));
	record_copy(&b->last, &b->out.next);
	b->base = b->policy = b->server = b->base_tag = NULL;
	b->bulk = b->first = DECIDE_NOTHING;
}

void bed_is(struct bed *b, enum record_field f, const char *text)
{
	assert_string_equal(record_str(&b->last, f), text);
}

void bed_meet(struct bed *b, const char *file)
{
	bed_put(b, file);
	b->base = "{\"theme\":\"A\",\"n\":1}";
	b->server = "{\"set\":{},\"del\":[]}";
	b->policy = "";
	bed_step(b);
}

bool bed_told(const struct bed *b, const char *type)
{
	for (const struct settings_event *ev = b->out.plan.events; ev; ev = ev->next) {
		if (strcmp(ev->type, type) == 0)
			return true;
	}
	return false;
}
