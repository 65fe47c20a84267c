/* Log events of sessiond. EVENT(name, LEVEL, sentence) */
EVENT(sessiond_ready, INFO,
    "Streams are there and the indexes are complete: sessions can be served.")
EVENT(streams_failed, WARN, "A stream or bucket could not be made; tried again.")
EVENT(record_unreadable, ERROR, "A stored record cannot be understood; it is left alone.")
EVENT(store_conflict, WARN,
    "Another process wrote a record this one held; its state was taken over.")
EVENT(session_created, INFO, "A session was created.")
EVENT(session_deleted, INFO, "A session and all that was stored for it is gone.")
