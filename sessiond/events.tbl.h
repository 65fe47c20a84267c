/* Log events of sessiond. EVENT(name, LEVEL, sentence) */
EVENT(sessiond_ready, INFO,
    "Streams are there and the indexes are complete: sessions can be served.")
EVENT(streams_failed, WARN, "A stream or bucket could not be made; tried again.")
EVENT(record_unreadable, ERROR, "A stored record cannot be understood; it is left alone.")
EVENT(store_conflict, WARN,
    "Another process wrote a record this one held; its state was taken over.")
EVENT(session_created, INFO, "A session was created.")
EVENT(session_deleted, INFO, "A session and all that was stored for it is gone.")
EVENT(turn_sent, INFO, "A prompt goes to Zed; that it does is stored.")
EVENT(turn_ended, INFO, "A turn has ended; that and its text are stored.")
EVENT(agent_connected, INFO, "A Zed has connected.")
EVENT(agent_gone, INFO, "A Zed's connection has ended; its turns go on when it is back.")
EVENT(agent_superseded, WARN,
    "The same id connected again: the older connection is closed.")
EVENT(agent_not_ready, WARN,
    "A Zed did not say that it is ready within a minute; it is taken for ready.")
EVENT(agent_stuck, WARN, "A Zed does not read: its connection is closed.")
EVENT(agent_malformed, WARN,
    "A Zed sent something that cannot be understood; it was passed over.")
EVENT(thread_again, WARN,
    "Zed opened a second thread for a prompt under way: the newer one counts.")
EVENT(thread_missing, WARN,
    "Zed does not know the session's thread any more: the next prompt begins a new one.")
EVENT(settings_not_forgotten, WARN,
    "What is stored of a deleted session's settings could not be removed.")
EVENT(settings_not_told, WARN, "Instances could not be told of a change or decision; they look when they next connect or poll.")
