/* Calls to sessiond: JSON over HTTP. */
#pragma once

#include "zedctl/ctl.h"

struct web_answer {
	int status; /* 0: there was no answer */
	struct buf body;
	struct jsn *json; /* NULL if the body is none */
	char etag[128];
};

#define WEB_ANSWER_NULL ((struct web_answer){.body = BUF_NULL(64 << 20)})

struct web_request {
	const char *method;
	const char *path;     /* with its query */
	struct slice body;    /* JSON; n 0: none */
	const char *if_match; /* NULL: none */
	int64_t timeout_ms;   /* 0: 30 s */
};

void web_answer_deinit(struct web_answer *a);

/* Any HTTP answer is CTL_DONE; else the exit code, said on stderr. */
int web_ask(struct ctl *c, const struct web_request *r, struct web_answer *out);
/* The same for a request that may come twice without harm: it goes again while its answer
 * gets lost or is 503, for some seconds. If nobody listens at first, it does not. */
int web_repeat(struct ctl *c, const struct web_request *r, struct web_answer *out);
/* web_ask; an answer that is no 2xx is CTL_REFUSED and said on stderr. */
int web_call(struct ctl *c, const struct web_request *r, struct web_answer *out);
/* Says why the answer is no 2xx; CTL_DONE if it is one. */
int web_check(const struct web_answer *a);
/* web_call with @body, which it takes (NULL: none). */
int web_send(struct ctl *c, const char *method, const char *path, struct jsn *body,
    struct web_answer *out);

/* Append @s with all but unreserved characters percent-encoded: one segment of a path, or
 * a value of a query. */
void web_add_encoded(struct buf *b, const char *s);
/* "/api/v1/sessions/<id><tail>"; the text lives in @b. */
const char *web_session_path(struct buf *b, const char *session_id, const char *tail);
/* Append &name=value (or ?name=value) if @value. */
void web_add_query(struct buf *b, const char *name, const char *value);
