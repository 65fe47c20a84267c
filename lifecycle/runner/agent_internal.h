/* Between agent.c (hearing) and agent_tell.c (telling). */
#pragma once

#include "lifecycle/runner/agent.h"
#include "lifecycle/runner/workload.h"

struct agent {
	struct runner *r;
	bool connected;
	/* hearing */
	char kv_prefix[96], list_filter[192];
	bool listing, synced;
	uint64_t listing_no;
	char list_problem[160];
	struct loop_timer *list_timer;
	/* telling */
	bool record_stored, record_in_flight, record_again;
	uint64_t report_no, heartbeat_seq;
	size_t n_reports_in_flight;
	struct loop_timer *record_timer, *heartbeat_timer, *report_timer;
};

void agent_tell_init(struct agent *a);
void agent_tell_deinit(struct agent *a);
