/* One simulated Zed: what it does with each command, and when it says agent_ready. */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_socket.h"
#include "tests/sim/sim_thread.h"

struct sim_agent {
	struct sim *sim;
	struct sim_socket socket;
	struct loop_timer *ready_timer; /* the 5 s after a handshake */
	struct map *threads;            /* struct sim_thread by id: those that are live */
	struct map *requests;           /* ids seen, to count repetitions */
	struct list followups;          /* struct sim_job.link: strictly one at a time */
	struct list
	    unborn; /* struct sim_job.link: new threads waiting for their agent server */
	struct sim_job *job; /* the follow-up under way */
	char *last_request_id;
	char active_thread[40]; /* shown last; "" none */
};

/* Number @i of sim->n_agents; connects when the environment asks for it. */
void sim_agent_init(struct sim_agent *a, struct sim *sim, size_t i);
void sim_agent_start(struct sim_agent *a);
/* Timers and turns end, the connection is cut; deinit once the websocket context is
 * closed. */
void sim_agent_stop(struct sim_agent *a);
void sim_agent_deinit(struct sim_agent *a);

/* The user types @text: into @thread_id, or, NULL, into a new thread. Return: 0 and the
 * thread's id (borrowed); ERROR_NOT_FOUND. */
int sim_agent_type(struct sim_agent *a, const char *thread_id, const char *text,
    const char **id_out, struct err *e) MUST_CHECK;
