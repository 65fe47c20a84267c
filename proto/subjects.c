/* Subjects from their table. */
#include "proto/subjects.h"

#include "base/must.h"

#define SUBJECT(id, plane, pattern, kind, sentence) const char SUBJ_##id[] = pattern;
#define STREAM(id, plane, name, sentence)           const char STREAM_##id[] = name;
#define BUCKET(id, plane, name, sentence)           const char BUCKET_##id[] = name;
#include "proto/subjects.tbl.h"

static size_t subject_add(struct subject *s, size_t n, const char *text, size_t n_text)
{
	must(n + n_text < sizeof(s->s));
	memcpy(s->s + n, text, n_text);
	s->s[n + n_text] = '\0';
	return n + n_text;
}

static size_t subject_add_token(struct subject *s, size_t n, const char *token)
{
	must(id_token_valid(slice_of(token)));
	return subject_add(s, n, token, strlen(token));
}

struct subject subject_make(
    const char *pattern, const char *const *tokens, size_t n_tokens)
{
	struct subject s = {{0}};
	size_t n = 0, i = 0;

	for (const char *hole; (hole = strstr(pattern, "%s")); pattern = hole + 2) {
		must(i < n_tokens);
		n = subject_add(&s, n, pattern, (size_t)(hole - pattern));
		n = subject_add_token(&s, n, tokens[i++]);
	}
	must(i == n_tokens);
	subject_add(&s, n, pattern, strlen(pattern));
	return s;
}

struct subject subject_join(const char *const *tokens, size_t n_tokens)
{
	struct subject s = {{0}};
	size_t n = 0;

	for (size_t i = 0; i < n_tokens; i++) {
		if (i > 0)
			n = subject_add(&s, n, ".", 1);
		n = subject_add_token(&s, n, tokens[i]);
	}
	return s;
}

size_t subject_split(const char *subject, struct slice *out, size_t cap)
{
	size_t n = 0;

	for (const char *p = subject;; p++) {
		const char *end = strchrnul(p, '.');

		if (n == cap)
			return 0;
		out[n++] = (struct slice){p, (size_t)(end - p)};
		if (!*end)
			return n;
		p = end;
	}
}
