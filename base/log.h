/* Structured logging to stderr: one record a line, JSON or text. Every record has an
 * event of an events.tbl.h, which fixes its level and says what it means; fields carry
 * ids and numbers. No secret and no prompt text at level info. */
#pragma once

#include "base/must.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_LEVEL_N_ };

struct log_event {
	const char *name; /* snake_case, unique in a program */
	enum log_level level;
	const char *sentence; /* what it means, for the reference */
};

struct log_field {
	const char *key; /* NULL ends the list */
	const char *str; /* NULL: @num is the value, or null when !is_num */
	int64_t num;
	bool is_num;
};

#define LF(k, s)   ((struct log_field){.key = (k), .str = (s)})
#define LF_I(k, i) ((struct log_field){.key = (k), .num = (int64_t)(i), .is_num = true})
#define LF_END     ((struct log_field){0})

/* log_event(EV_runner_seen, LF("runner", id), LF_I("slots", n)): at least one field after
 * the event; LF_NONE if none. */
#define LF_NONE            LF_END
#define log_event(ev, ...) log_emit((ev), (const struct log_field[]){__VA_ARGS__, LF_END})

void log_emit(const struct log_event *ev, const struct log_field *fields);

/* Before anything is logged; may be called again (SIGHUP). @program is borrowed. */
void log_init(const char *program, enum log_level level, bool json);
bool log_enabled(enum log_level level);
bool log_level_parse(const char *s, enum log_level *out);

/* clang-format off */
/*
 * A module with events declares them from its table:
 *
 *	events.tbl.h	EVENT(runner_seen, INFO, "A runner was heard of for the first time.")
 *	events.h	#define EVENT LOG_EVENT_DECLARE
 *			#include "x/events.tbl.h"
 *			#undef EVENT
 *			extern const struct log_event *const x_events[]; (NULL ends)
 *	events.c	#define EVENT LOG_EVENT_DEFINE
 *			... the table ...
 *			then the list with LOG_EVENT_LIST
 */
/* clang-format on */
#define LOG_EVENT_DECLARE(name, level, sentence)                                         \
	extern const struct log_event *const EV_##name;
#define LOG_EVENT_DEFINE(ev, lvl, text)                                                  \
	static const struct log_event ev_##ev = {#ev, LOG_##lvl, text};                  \
	const struct log_event *const EV_##ev = &ev_##ev;
#define LOG_EVENT_LIST(name, level, sentence) &ev_##name,
