/* Settings of zed-sim. CONF(name, TYPE, default, min, max, flags, alias_env, choices, help) */
CONF(answer, STR, "echo", 0, 0, 0, NULL, "echo|story|FILE", "What is answered: the prompt, a story with a tool call, or a file's text.")
CONF(rate, INT, "4000", 0, 1000000000, 0, NULL, "N", "Bytes of an answer made per second; 0 makes each part at once.")
CONF(size, INT, "0", 0, 67108864, 0, NULL, "BYTES", "Repeat or cut the answer to this size; 0 leaves it.")
CONF(agents, INT, "1", 1, 100000, 0, NULL, "N", "Simulated Zeds; %d in HELIX_SESSION_ID becomes 0 to N-1, else -0 to -(N-1) is appended.")
CONF(crash_after, STR, "", 0, 0, 0, NULL, "N(ms|s|turns|events)", "Abort after this time, or this many completed turns or sent events.")
CONF(no_ready, BOOL, "false", 0, 0, 0, NULL, "", "Never send agent_ready.")
CONF(control, STR, "", 0, 0, 0, NULL, "SOCK", "Unix socket taking the lines save JSON, type THREAD TEXT, drop, stats.")
CONF(log_level, ENUM, "info", 0, 0, 0, NULL, "error|warn|info|debug", "How much is logged.")
