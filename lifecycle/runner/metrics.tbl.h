/* Metrics of zed-runner. METRIC(id, name, TYPE, labels, sentence) */
METRIC(runner_slots, "zed_runner_slots", GAUGE, "", "Most instances at a time.")
METRIC(runner_live, "zed_runner_instances", GAUGE, "", "Instances that have not ended.")
METRIC(runner_starting, "zed_runner_instances_starting", GAUGE, "",
    "Of them, those that are not ready yet.")
METRIC(runner_spawns, "zed_runner_spawns_total", COUNTER, "", "Processes started.")
METRIC(runner_spawn_failures, "zed_runner_spawn_failures_total", COUNTER, "",
    "Processes that could not be started.")
METRIC(runner_restarts, "zed_runner_restarts_total", COUNTER, "",
    "Main programs started again after they ended.")
METRIC(runner_adopted, "zed_runner_adopted_total", COUNTER, "",
    "Instances taken over from an earlier run of the runner.")
METRIC(runner_denied, "zed_runner_denied_total", COUNTER, "",
    "Starts that the record did not want (any more).")
METRIC(runner_refused, "zed_runner_refused_total", COUNTER, "",
    "Placements refused by this runner.")
METRIC(runner_token_failures, "zed_runner_token_failures_total", COUNTER, "",
    "Requests for agent tokens that failed.")
METRIC(runner_exec_seconds, "zed_runner_start_seconds", HISTOGRAM, "",
    "From seeing an assignment to its main program's exec.")
