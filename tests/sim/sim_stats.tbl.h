/* What a simulated Zed counts, printed by the control line `stats`. STAT(name, sentence)
 */
STAT(connects, "Handshakes that succeeded.")
STAT(handshake_failures, "Handshakes that were refused or got no answer.")
STAT(disconnects, "Connections that ended.")
STAT(events_sent, "Events the kernel has taken.")
STAT(events_lost,
    "Events whose write failed: each was out of the queue already, as in Zed.")
STAT(commands, "Text frames received.")
STAT(commands_malformed, "Commands Zed cannot parse: lost without an answer.")
STAT(commands_unknown, "Commands of a type Zed does not know: ignored.")
STAT(commands_role_user, "Commands with role user: Zed drops them silently.")
STAT(frames_binary, "Binary frames: Zed ignores them.")
STAT(requests_repeated,
    "chat_message with a request id that was seen before: Zed runs it again.")
STAT(threads_created, "Threads made, for messages and by the user.")
STAT(threads_loaded, "Threads loaded from the data directory.")
STAT(thread_load_errors, "Threads that could not be loaded.")
STAT(followups_behind, "Follow-ups that had to wait for another turn of this Zed.")
STAT(turns_started, "Turns begun.")
STAT(turns_completed, "Turns that ended by themselves.")
STAT(turns_cancelled,
    "Turns ended by a cancel, an interrupt or another message to their thread.")
STAT(turns_overrun,
    "Turns cut off because a message without interrupt came to their thread.")
STAT(agents_missing,
    "Messages for an agent server that settings do not name: Zed gives up silently.")
STAT(settings_reloads,
    "Times settings.json was read and taken, the first at start included.")
STAT(settings_unchanged, "Times settings.json was read and was the text known already.")
STAT(settings_errors, "Times settings.json was read and rejected.")
STAT(settings_empty_reads,
    "Times settings.json was read empty: Zed then runs on its defaults.")
STAT(settings_saves, "Times settings.json was saved from here.")
STAT(settings_stubs, "Context servers Zed turns into dead extension stubs.")
STAT(settings_dropped, "Settings Zed drops alone, keeping the rest of the file.")
