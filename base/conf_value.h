/* One setting: its text turned into its type and stored, compared, moved, freed, shown.
 * Private to base/conf*.c. */
#pragma once

#include "base/conf.h"
#include "base/jsn.h"

enum {
	CONF_NAME_MAX = 64, /* bytes of a setting's name in any spelling, with the NUL */
};

/* Where a value was found, as error lines name it. */
struct conf_source {
	const char *setting; /* "--slots", "ZEDBUS_SLOTS", "slots" */
	const char *from;    /* "the command line", "the environment", the file's name */
};

void *conf_field(const struct conf_row *row, void *conf);
/* "--slow-start" and "ZEDBUS_SLOW_START" of "slow_start". */
void conf_flag_name(const struct conf_row *row, char out[static CONF_NAME_MAX]);
void conf_env_name(const struct conf_row *row, char out[static CONF_NAME_MAX]);

/* Replace the value. Return: 0; ERROR_INVALID naming setting, value and source. A list is
 * split at commas. */
int conf_value_set(const struct conf_row *row, void *conf, const char *text,
    const struct conf_source *src, struct err *e) MUST_CHECK;
int conf_value_set_json(const struct conf_row *row, void *conf, const struct jsn *v,
    const struct conf_source *src, struct err *e) MUST_CHECK;
/* One more item of a list, verbatim. */
void conf_value_append(const struct conf_row *row, void *conf, const char *item);
void conf_value_clear(const struct conf_row *row, void *conf);
bool conf_value_equal(const struct conf_row *row, void *a, void *b);
void conf_value_swap(const struct conf_row *row, void *a, void *b);

/* The value as error lines and references may show it: cut, without userinfo, *** if the
 * row is secret. */
void conf_add_shown(struct buf *out, const struct conf_row *row, const char *text);
