/* Settings of sessiond besides those every daemon has. */
CONF(allow_origin, LIST, "", 0, 0, CONF_F_RELOAD, NULL, "ORIGIN",
    "Browser origins besides the listener's own that may call.")
CONF(replicas, INT, "1", 1, 5, 0, NULL, "N", "Copies of each stream in a broker cluster.")
CONF(agent_token_days, INT, "30", 1, 3650, CONF_F_RELOAD, NULL, "DAYS",
    "How long an agent token is good for.")
