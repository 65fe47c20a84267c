/* What the parts of one zed-sim process share. */
#pragma once

#include "base/conf.h"
#include "base/io/loop.h"
#include "base/io/ws_client.h"
#include "tests/sim/sim_answer.h"
#include "tests/sim/sim_env.h"
#include "tests/sim/sim_settings.h"
#include "tests/sim/sim_stats.h"

struct sim_conf {
#define CONF CONF_FIELD
#include "tests/sim/config.tbl.h"
#undef CONF
};

/* When to crash; all 0: never. */
struct sim_crash {
	int64_t after_ms, after_turns, after_events;
};

struct sim_agent;
struct sim_control;

struct sim {
	struct sim_conf conf;
	struct sim_env env;
	struct sim_crash crash;
	struct sim_stats stats;
	struct loop *loop;
	struct ws_client_ctx *ws; /* NULL: no connection is wanted */
	struct sim_answer_source answer;
	struct sim_settings *settings;
	struct sim_agent *agents;
	size_t n_agents;
	struct sim_control *control;
	struct loop_timer *crash_timer;
};

/* Called after each completed turn and each event sent: aborts when the time has come. */
void sim_check_crash(const struct sim *sim);
