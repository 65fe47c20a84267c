/* Log events of zed-runner. EVENT(name, LEVEL, sentence) */
EVENT(profile_loaded, INFO, "A profile can be run.")
EVENT(profile_refused, ERROR,
    "A profile file cannot be used; it is not offered. The detail says why.")
EVENT(runner_degraded, WARN, "Something this host cannot do; starts go on without it.")
EVENT(assignment_refused, WARN, "An assignment of this runner could not be understood.")
EVENT(instance_state, INFO, "An instance changed its state; this is what is reported.")
EVENT(instance_waits, WARN,
    "An instance cannot go on for now; the detail says what it waits for.")
EVENT(instance_denied, INFO,
    "Nothing was started: the record does not want this placement run (any more).")
EVENT(instance_adopted, INFO, "An instance that outlived the runner is supervised again.")
EVENT(instance_lost_shim, WARN,
    "The shim of an instance is gone; its processes are held by themselves.")
EVENT(instance_forgotten, INFO, "An ended instance is told and dropped.")
EVENT(task_spawned, INFO, "A process of an instance was started.")
EVENT(task_failed, ERROR, "A process of an instance could not be started.")
EVENT(task_exited, INFO, "A process of an instance ended.")
EVENT(stop_stuck, ERROR, "Processes survive SIGKILL; the detail lists them.")
EVENT(state_unreadable, ERROR,
    "What was kept of an instance cannot be read; it was put aside.")
EVENT(state_not_written, ERROR, "What is to survive a restart could not be written.")
EVENT(token_failed, WARN, "sessiond gave no agent token; it is asked again.")
EVENT(token_not_revoked, WARN,
    "An agent token could not be revoked; it ends by its own date.")
EVENT(drain_begun, INFO,
    "Every instance is being stopped; the runner ends when they are gone.")
EVENT(home_not_wiped, WARN, "The home of an ended instance could not be removed.")
