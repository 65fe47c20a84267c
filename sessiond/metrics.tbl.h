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
