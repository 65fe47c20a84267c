/* Every subject, stream and bucket there is. SUBJECT(id, plane, pattern, kind, sentence): one %s a token, all tokens safe
 * ids. STREAM(id, plane, name, sentence). BUCKET(id, plane, name, sentence). The planes never share a row: a broker user
 * of one is refused on the other's. */
#ifndef SUBJECT
#define SUBJECT(...)
#endif
#ifndef STREAM
#define STREAM(...)
#endif
#ifndef BUCKET
#define BUCKET(...)
#endif

SUBJECT(cmd, lifecycle, "lifecycle.v1.cmd.%s.%s.%s", STREAM, "A command: tenant, verb, instance. The broker's acknowledgement is the acceptance.")
SUBJECT(cmd_all, lifecycle, "lifecycle.v1.cmd.>", STREAM, "All commands.")
SUBJECT(cmd_of, lifecycle, "lifecycle.v1.cmd.%s.*.%s", STREAM, "All commands of an instance: tenant, instance.")
SUBJECT(cmd_delivery, lifecycle, "lifecycle.v1.dlv.cmd", CORE, "Where the broker hands commands to lifecycled (queue group lifecycled).")
SUBJECT(dlq, lifecycle, "lifecycle.v1.dlq", STREAM, "Commands that could not be understood; headers tell subject, sequence and error.")
SUBJECT(peer, lifecycle, "lifecycle.v1.peer", CORE, "Replicas of lifecycled tell each other that they live, every 2 s.")
SUBJECT(evt_all, lifecycle, "lifecycle.v1.evt.>", STREAM, "All events.")
SUBJECT(evt, lifecycle, "lifecycle.v1.evt.%s.%s.%s", STREAM, "An event: tenant, instance, type.")
SUBJECT(evt_of, lifecycle, "lifecycle.v1.evt.%s.%s.*", STREAM, "All events of an instance: tenant, instance.")
SUBJECT(api, lifecycle, "lifecycle.v1.api.>", REQUEST, "Verbs with an answer: lifecycle.v1.api.<verb>[.<tenant>].")
SUBJECT(evt_tenant, lifecycle, "lifecycle.v1.evt.%s.>", STREAM, "All events of a tenant.")
SUBJECT(api_call, lifecycle, "lifecycle.v1.api.%s.%s", REQUEST, "One verb asked: verb, tenant.")
SUBJECT(hb, lifecycle, "lifecycle.v1.hb.%s", CORE, "A runner's heartbeat, every 2 s.")
SUBJECT(hb_all, lifecycle, "lifecycle.v1.hb.*", CORE, "All heartbeats.")
SUBJECT(bell, lifecycle, "lifecycle.v1.bell.%s", CORE, "Doorbell of a runner: look at your assignments. Losing one costs time only.")
SUBJECT(log, lifecycle, "lifecycle.v1.log.%s.%s.%s.%s", CORE, "Raw output: tenant, instance, out or err, runner.")
SUBJECT(lifecycle_feed, lifecycle, "lifecycle.v1.feed.%s", CORE, "Changes of a bucket, republished by the broker: bucket (and then its key).")
SUBJECT(assignment_feed, lifecycle, "lifecycle.v1.feed.lifecycle_assignment.%s.>", CORE, "Changes of one runner's assignments, as the broker republishes them.")

STREAM(lifecycle_cmd, lifecycle, "LIFECYCLE_CMD", "Commands until they are decided (work queue, no age limit).")
STREAM(lifecycle_evt, lifecycle, "LIFECYCLE_EVT", "Events, 7 days.")
STREAM(lifecycle_dlq, lifecycle, "LIFECYCLE_DLQ", "Commands that could not be understood, with the reason, 30 days.")

BUCKET(lifecycle_instance, lifecycle, "lifecycle_instance", "One record per instance, compare-and-set, written by lifecycled. Key <tenant>.<instance>.")
BUCKET(lifecycle_spec, lifecycle, "lifecycle_spec", "What an instance runs, with its environment; deleted when it is terminal. Key <tenant>.<instance>.")
BUCKET(lifecycle_assignment, lifecycle, "lifecycle_assignment", "What a runner shall do. Key <runner>.<tenant>.<instance>.")
BUCKET(lifecycle_report, lifecycle, "lifecycle_report", "What a runner sees. Key <runner>.<tenant>.<instance>.")
BUCKET(lifecycle_runner, lifecycle, "lifecycle_runner", "A runner's profiles, labels and slots, written by it alone. Key <runner>.")

SUBJECT(session_feed, session, "session.v1.feed.%s", CORE, "Changes of a bucket of sessiond, republished by the broker.")
SUBJECT(session_live, session, "session.v1.live.%s.%s", STREAM, "What an open turn says, as it grows: session, turn.")
SUBJECT(session_live_session, session, "session.v1.live.%s.>", STREAM, "Everything live of a session.")
SUBJECT(session_live_all, session, "session.v1.live.>", STREAM, "Everything live.")
SUBJECT(session_transcript, session, "session.v1.transcript.%s", STREAM, "Finished turns of a session, oldest first.")
SUBJECT(session_transcript_all, session, "session.v1.transcript.>", STREAM, "All transcripts.")

SUBJECT(session_settings_commit, session, "session.v1.settings.commit.%s.%s", STREAM, "Revisions of settings: ses or app, its id. A message names the documents in force from then on.")
SUBJECT(session_settings_commits, session, "session.v1.settings.commit.>", STREAM, "All revisions of all settings.")
SUBJECT(session_settings_blob, session, "session.v1.settings.blob.%s.%s", STREAM, "Documents of settings, sealed: ses or app, its id.")
SUBJECT(session_settings_op, session, "session.v1.settings.%s.%s.%s", STREAM, "An operation with an op_id, and what is answered to it: op_ and a hash of the id, ses, session.")
SUBJECT(session_settings_of, session, "session.v1.settings.*.%s.%s", STREAM, "All that is stored of settings of one session or app.")
SUBJECT(session_settings_all, session, "session.v1.settings.>", STREAM, "All settings.")
SUBJECT(session_settings_told, session, "session.v1.feed.settings.%s.%s", CORE, "Something about settings that is no revision: ses, session.")
SUBJECT(session_settings_feed, session, "session.v1.feed.settings.>", CORE, "Revisions of settings, republished by the broker.")
STREAM(session_live, session, "SESSION_LIVE", "The text of open turns as a log of patches; a turn's part is purged when it has ended.")
STREAM(session_transcript, session, "SESSION_TRANSCRIPT", "Finished turns, unchangeable; the parts of a big one follow each other.")

STREAM(session_settings, session, "SESSION_SETTINGS", "Settings: every revision with who and when, and the sealed documents. Nothing expires: it is the audit trail.")
BUCKET(session_record, session, "session_record", "One record per session, compare-and-set. Key <session>.")
BUCKET(session_turn, session, "session_turn", "Accepted prompts and open turns, compare-and-set; gone once in the transcript. Key <session>.<turn>.")
BUCKET(session_settings, session, "session_settings", "What has no history: the sealing key, credentials (sealed), what is held. Key <session>.<what>.")
BUCKET(session_request, session, "session_request", "Idempotency keys and request ids of callers, 7 days. Key: a hash.")

#undef SUBJECT
#undef STREAM
#undef BUCKET
