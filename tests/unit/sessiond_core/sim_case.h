/* Cases that begin with a file which is the rendering of B0: cmocka's state is the sim. */
#pragma once

#include "tests/lib/test.h"
#include "tests/unit/sessiond_core/settings_sim.h"

#define SIM_NO_OVERRIDES "{\"set\":{},\"del\":[]}"
#define SIM_CASE(name) cmocka_unit_test_setup_teardown(name, sim_setup, sim_teardown)

static inline int sim_setup(void **state)
{
	static struct sim s;

	sim_init(&s, B0, P0);
	*state = &s;
	return 0;
}

static inline int sim_teardown(void **state)
{
	sim_deinit(*state);
	return 0;
}

/* One step more, which has nothing to do. */
static inline void sim_idle(struct sim *s)
{
	sim_step(s);
	assert_false(s->out.changed);
}
