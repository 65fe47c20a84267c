/* Log events of zed-sim. EVENT(name, LEVEL, sentence) */
EVENT(sim_started, INFO, "The simulator runs.")
EVENT(sim_offline, WARN,
    "The environment does not ask for a connection: Zed runs without one.")
EVENT(sim_connected, INFO, "The server took the handshake.")
EVENT(sim_disconnected, INFO,
    "The connection ended or was refused; the next try follows after the delay.")
EVENT(sim_command_refused, WARN,
    "A command came that Zed cannot parse, or ignores; it is lost.")
EVENT(
    sim_event_lost, WARN, "The connection ended under the write of an event; it is lost.")
EVENT(sim_turn_started, DEBUG, "A turn began.")
EVENT(sim_turn_ended, DEBUG, "A turn ended.")
EVENT(sim_thread_error, WARN, "A thread could not be loaded or stored.")
EVENT(sim_settings_loaded, INFO, "settings.json was read and taken.")
EVENT(
    sim_settings_rejected, WARN, "settings.json was read and rejected, or a part of it.")
EVENT(sim_settings_deaf, WARN,
    "The watch on settings.json died with its inode: changes go unnoticed until a "
    "restart.")
EVENT(sim_crash, WARN, "Crashing, as asked.")
