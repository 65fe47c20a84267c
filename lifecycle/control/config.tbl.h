/* Settings of lifecycled besides those every daemon has. */
CONF(init, BOOL, "false", 0, 0, 0, NULL, NULL, "Create streams and buckets, and exit.")
CONF(init_timeout, INT, "30", 1, 3600, 0, NULL, "SECONDS",
	"How long --init waits for the broker before it gives up with exit 1.")
CONF(replicas, INT, "1", 1, 5, 0, NULL, "N", "Copies of each stream in a broker cluster.")
CONF(keep_ended_hours, INT, "192", 0, 87600, CONF_F_RELOAD, NULL, "HOURS",
	"How long the record of an ended instance is kept, at least 169 (its events must be gone first); 0: for ever.")
