/* Settings of settings-sync-daemon besides those every daemon has. The names without ZEDBUS_ are those of Helix's
 * daemon. */
CONF(port, INT, "9877", 0, 65535, 0, "SETTINGS_SYNC_PORT", "PORT",
    "Port on 127.0.0.1 when --listen is not given; 0 picks one.")
CONF(api_url, STR, "http://api:8080", 0, 0, 0, "HELIX_API_URL", "URL",
    "The settings server; may have a path in front.")
CONF(session_id, STR, "", 0, 0, 0, "HELIX_SESSION_ID", "ID",
    "The session whose settings these are; required.")
CONF(user_api_token, STR, "", 0, 0, CONF_F_SECRET | CONF_F_HIDDEN, "USER_API_TOKEN", "TOKEN",
    "Sent to the server as bearer token, and asked of who wants to see secrets here.")
CONF(helix_api_token, STR, "", 0, 0, CONF_F_SECRET | CONF_F_HIDDEN, "HELIX_API_TOKEN", "TOKEN",
    "Sent to the server when there is no USER_API_TOKEN.")
CONF(settings, STR, "", 0, 0, 0, NULL, "FILE",
    "The settings file; ${XDG_CONFIG_HOME:-$HOME/.config}/zed/settings.json when not given.")
CONF(state_dir, STR, "", 0, 0, 0, NULL, "DIR",
    "Where is kept what must survive a restart; on the file system of the settings file.")
CONF(write_mode, ENUM, "auto", 0, 0, 0, NULL, "auto|lease|pad|exchange",
    "How the settings file is written; auto probes what the file system can do.")
CONF(offer_restore_ms, INT, "600000", 10, 86400000, 0, NULL, "MS",
    "How long the settings file must be invalid before its last good text is offered (POST /restore).")
CONF(tls_ca, STR, "", 0, 0, 0, NULL, "FILE",
    "Certificates the server is verified with, PEM; the system's when not given.")
CONF(tls_skip_verify, BOOL, "false", 0, 0, 0, "SETTINGS_SYNC_TLS_SKIP_VERIFY", "",
    "Do not verify the server's certificate.")
CONF(helix_desktop, BOOL, "false", 0, 0, 0, NULL, "",
    "Also what Helix's desktop wants done: keymap, credential files, colour scheme, restart of the agent.")
CONF(helix_root, STR, "", 0, 0, 0, NULL, "DIR",
    "With --helix-desktop: what stands in front of /tmp and /etc, where its files outside of HOME go; for images and tests.")
