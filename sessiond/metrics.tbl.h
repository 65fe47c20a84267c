/* Metrics of sessiond. METRIC(id, name, TYPE, labels, sentence); rows of one name stand
 * together. */
METRIC(sessions, "sessiond_sessions", GAUGE, "", "Sessions there are.")
METRIC(http_requests, "sessiond_http_requests_total", COUNTER, "",
    "Requests that reached the router.")
METRIC(http_refused, "sessiond_http_refused_total", COUNTER, "",
    "Requests answered with an error.")
METRIC(http_request_seconds, "sessiond_http_request_seconds", HISTOGRAM, "",
    "From a request's headers to its answer.")
METRIC(store_seconds, "sessiond_store_publish_seconds", HISTOGRAM, "",
    "From a write to the store's answer.")
METRIC(store_retries, "sessiond_store_retries_total", COUNTER, "", "Writes tried again.")
METRIC(store_conflicts, "sessiond_store_cas_conflicts_total", COUNTER, "",
    "Writes that met another writer's.")
METRIC(live_bytes, "sessiond_live_bytes_total", COUNTER, "",
    "Bytes stored of texts as they grow.")
METRIC(transcript_bytes, "sessiond_transcript_bytes_total", COUNTER, "",
    "Bytes of finished turns stored.")
METRIC(dispatches, "sessiond_dispatch_total", COUNTER, "",
    "Prompts handed to Zed, repeats included.")
METRIC(turns_complete, "sessiond_turns_total", COUNTER, "result=\"complete\"",
    "Turns that ended, by how.")
METRIC(turns_interrupted, "sessiond_turns_total", COUNTER, "result=\"interrupted\"",
    "Turns that ended, by how.")
METRIC(turns_error, "sessiond_turns_total", COUNTER, "result=\"error\"",
    "Turns that ended, by how.")
METRIC(turns_lost, "sessiond_turns_total", COUNTER, "result=\"lost\"",
    "Turns that ended, by how.")
METRIC(turn_seconds, "sessiond_turn_seconds", HISTOGRAM, "",
    "From a prompt's acceptance to the end of its answer.")
METRIC(subscribers, "sessiond_subscribers", GAUGE, "",
    "Open event streams and user WebSockets.")
METRIC(events, "sessiond_events_total", COUNTER, "", "Events made for subscribers.")
METRIC(coalesced, "sessiond_subscriber_coalesced_total", COUNTER, "",
    "Events not written to a subscriber that was behind.")
METRIC(slow_closed, "sessiond_slow_closed_total", COUNTER, "",
    "Subscribers cut off because they did not read.")
METRIC(deliveries_sse, "sessiond_deliveries_total", COUNTER, "transport=\"sse\"",
    "Events written to subscribers.")
METRIC(deliveries_ws, "sessiond_deliveries_total", COUNTER, "transport=\"ws\"",
    "Events written to subscribers.")
METRIC(resumes_replayed, "sessiond_resume_total", COUNTER, "result=\"replayed\"",
    "Streams begun, by what they began with.")
METRIC(resumes_snapshot, "sessiond_resume_total", COUNTER, "result=\"snapshot\"",
    "Streams begun, by what they began with.")
METRIC(agents, "sessiond_agents_connected", GAUGE, "", "Zeds connected now.")
METRIC(
    agent_connects, "sessiond_agent_connects_total", COUNTER, "", "Zeds that connected.")
METRIC(takeovers, "sessiond_takeovers_total", COUNTER, "",
    "Connections replaced by a newer one of the same id.")
METRIC(ready_wait_seconds, "sessiond_ready_wait_seconds", HISTOGRAM, "",
    "From a Zed's connection until it may be given prompts.")
METRIC(agent_bytes, "sessiond_agent_bytes_in_total", COUNTER, "",
    "Bytes of messages from Zeds.")
METRIC(agent_events, "sessiond_agent_events_total", COUNTER, "", "Messages from Zeds.")
METRIC(events_malformed, "sessiond_agent_malformed_events_total", COUNTER, "",
    "Messages from Zeds that could not be understood.")
METRIC(events_unknown, "sessiond_agent_unknown_event_total", COUNTER, "",
    "Messages from Zeds with a name nobody knows.")
METRIC(events_unroutable, "sessiond_unroutable_events_total", COUNTER, "",
    "Messages from Zeds about threads or turns that are not theirs or not known.")
METRIC(entries_same, "sessiond_agent_content_identical_total", COUNTER, "",
    "Entries sent again unchanged.")
METRIC(entries_replayed, "sessiond_agent_content_replayed_total", COUNTER, "",
    "Entries taken for replayed history.")
METRIC(entries_stale, "sessiond_agent_content_stale_total", COUNTER, "",
    "Entries of turns that had ended, not taken.")
METRIC(entries_refused, "sessiond_agent_content_refused_total", COUNTER, "",
    "Entries over a turn's limits, not taken.")
METRIC(completions_duplicate, "sessiond_duplicate_completion_total", COUNTER, "",
    "Completions of turns that had ended.")
METRIC(threads_again, "sessiond_thread_mismatch_total", COUNTER, "",
    "Second threads for a prompt under way.")
METRIC(child_sessions, "sessiond_child_sessions_total", COUNTER, "",
    "Sessions made for threads begun in Zed.")
METRIC(prompts, "sessiond_prompts_total", COUNTER, "", "Prompts stored and accepted.")
METRIC(prompts_refused_full, "sessiond_prompts_rejected_total", COUNTER,
    "reason=\"queue_full\"", "Prompts refused, by reason.")
METRIC(prompts_refused_store, "sessiond_prompts_rejected_total", COUNTER,
    "reason=\"store\"", "Prompts refused, by reason.")
METRIC(prompts_refused_no_agent, "sessiond_prompts_rejected_total", COUNTER,
    "reason=\"no_agent\"", "Prompts refused, by reason.")
METRIC(prompts_refused_fallback, "sessiond_prompts_rejected_total", COUNTER,
    "reason=\"fallback\"", "Prompts refused, by reason.")
METRIC(cancels, "sessiond_cancels_total", COUNTER, "", "Requests to cancel a turn.")
