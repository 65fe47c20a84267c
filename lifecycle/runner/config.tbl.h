/* Settings of zed-runner beside those of every daemon. CONF(name, TYPE, default, min,
 * max, flags, alias_env, choices, help) */
CONF(id, STR, "", 0, 0, 0, NULL, "NAME",
    "Name of this runner, unique; the host's name if not given.")
CONF(state_dir, STR, "/var/lib/zed-runner", 0, 0, 0, NULL, "DIR",
    "Where instances have their homes and what survives a restart is kept; locked.")
CONF(profiles, STR, "/etc/zedbus/profiles", 0, 0, 0, NULL, "DIR",
    "Folder of profile files, NAME.json.")
CONF(slots, INT, "64", 1, 10000, 0, NULL, "N", "Most instances at a time.")
CONF(label, LIST, "", 0, 0, 0, NULL, "K=V",
    "A label that a start may ask for; may be repeated.")
CONF(workspace_root, LIST, "", 0, 0, 0, NULL, "DIR",
    "Folder that workspaces must lie beneath, where a profile names none; may be "
    "repeated.")
CONF(uid_range, STR, "", 0, 0, 0, NULL, "A-B", "User ids for profiles with user @each.")
CONF(session_url, STR, "http://127.0.0.1:8080", 0, 0, 0, NULL, "URL",
    "sessiond, as instances reach it.")
CONF(session_token_file, STR, "", 0, 0, 0, NULL, "FILE",
    "Service token for sessiond; without it no agent tokens are fetched.")
CONF(session_ca, STR, "", 0, 0, 0, NULL, "FILE",
    "CA certificates sessiond is verified with, PEM; the system's if not given.")
CONF(on_term, ENUM, "", 0, 0, 0, NULL, "|leave|drain",
    "At SIGTERM leave instances running, or stop them first; drain when pid 1, else "
    "leave.")
CONF(min_free_pct, INT, "2", 0, 99, 0, NULL, "PERCENT",
    "Refuse starts while less of the disk is free.")
CONF(shim, STR, "", 0, 0, 0, NULL, "FILE",
    "zed-shim; found beside this program if not given.")
