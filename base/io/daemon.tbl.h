/* Settings every daemon has. CONF(name, TYPE, default, min, max, flags, alias_env, choices, help) */
CONF(log_level, ENUM, "info", 0, 0, CONF_F_RELOAD, NULL, "error|warn|info|debug", "How much is logged.")
CONF(log_format, ENUM, "", 0, 0, 0, NULL, "|text|json", "Form of log records; text on a terminal, else json.")
CONF(listen, STR, DAEMON_LISTEN_DEFAULT, 0, 0, 0, NULL, "ADDR:PORT", "Where HTTP is served; an address other than loopback needs tokens.")
CONF(health_listen, STR, "", 0, 0, 0, NULL, "ADDR:PORT", "Serve only /healthz, /readyz and /metrics here too, on any address.")
CONF(tokens, STR, "", 0, 0, CONF_F_RELOAD, NULL, "FILE", "Token file: one JSON object a line with sha256, role, sub.")
CONF(tls_cert, STR, "", 0, 0, CONF_F_RELOAD, NULL, "FILE", "Certificate chain of the listener, PEM.")
CONF(tls_key, STR, "", 0, 0, CONF_F_RELOAD, NULL, "FILE", "Key of the certificate, PEM.")
