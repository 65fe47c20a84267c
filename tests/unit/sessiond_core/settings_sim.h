/* A file, a base and overrides that are stepped through settings_plan, as the daemon
 * would. */
#pragma once

#include "sessiond/core/settings_plan.h"

#define B0                                                                               \
	"{\"context_servers\":{\"helix-rag\":{\"url\":\"http://h/"                       \
	"rag\",\"headers\":{\"Authorization\":\"Bearer "                                 \
	"T1\"}},\"helix-session\":{\"url\":\"http://h/"                                  \
	"ses\"},\"team-x\":{\"command\":\"tx\",\"args\":[\"a\"]}},\"agent\":{"           \
	"\"default_model\":{\"provider\":\"openai\",\"model\":\"m1\"},\"show_"           \
	"onboarding\":false},\"theme\":\"Ayu "                                           \
	"Dark\",\"format_on_save\":\"off\",\"languages\":{\"Go\":{\"format_on_save\":"   \
	"\"on\"}}}"
#define P0                                                                               \
	"{\"rules\":[{\"path\":\"/agent/"                                                \
	"default_model\",\"class\":\"helix-owned\"},{\"path\":\"/context_servers/"       \
	"helix-session\",\"class\":\"helix-owned\"},{\"path\":\"/context_servers/"       \
	"helix-*\",\"class\":\"no-delete\"},{\"path\":\"/"                               \
	"telemetry\",\"class\":\"protected\"}]}"

struct sim {
	struct arena a;
	struct policy policy;
	const struct jval *base, *base0;
	struct overrides u, held;
	struct slice file, last;
	bool has_file, has_last;
	bool hide_base0; /* the step does not know the old base */
	bool migrating;  /* the next step follows a migration of the editor */
	struct jval *migrated;
	struct settings_output out;
};

void sim_init(struct sim *s, const char *base, const char *policy);
void sim_deinit(struct sim *s);
/* The base becomes this. */
void sim_base(struct sim *s, const char *base);
/* Change one member of base or file through its tree: @value NULL removes. The file is
 * edited in its text. */
void sim_base_set(struct sim *s, const char *pointer, const char *value);
void sim_file_set(struct sim *s, const char *pointer, const char *value);
void sim_file(struct sim *s, const char *text);
/* One step, and the file is written. */
void sim_step(struct sim *s);
/* The value at @pointer of the file, compact; "(absent)" if there is none. */
const char *sim_at(struct sim *s, const char *pointer);
/* The overrides, compact. */
const char *sim_u(struct sim *s);
/* How many events of @type (at @pointer, if not NULL) the last step had. */
size_t sim_events(const struct sim *s, const char *type, const char *pointer);
