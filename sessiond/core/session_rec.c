/* Owned strings of a session's record. */
#include "sessiond/core/session_rec.h"

#include "base/must.h"

void str_set_n(char **field, const char *value, size_t n)
{
	char *copy = NULL;

	if (value) {
		copy = malloc(n + 1);
		must(copy);
		memcpy(copy, value, n);
		copy[n] = '\0';
	}
	free(*field);
	*field = copy;
}

void str_set(char **field, const char *value)
{
	str_set_n(field, value, value ? strlen(value) : 0);
}

bool str_eq(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0;
}

void session_rec_deinit(struct session_rec *r)
{
	free(r->name);
	free(r->owner);
	free(r->app_id);
	free(r->agent_id);
	free(r->agent_name);
	free(r->metadata);
	free(r->thread_id);
	*r = SESSION_REC_NULL;
}

void session_rec_add_token(struct session_rec *r, const struct session_token *t)
{
	size_t keep =
	    r->n_tokens < SESSION_TOKENS_MAX ? r->n_tokens : SESSION_TOKENS_MAX - 1;

	memmove(&r->tokens[1], &r->tokens[0], keep * sizeof(r->tokens[0]));
	r->tokens[0] = *t;
	r->n_tokens = keep + 1;
}
