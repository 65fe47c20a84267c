#include "tests/sim/sim_thread.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ids.h"
#include "base/jsn.h"

enum {
	SIM_ENTRY_MAX_BYTES = 64 << 20,
	SIM_THREAD_MAX_BYTES = 256 << 20,
};

static const char *const sim_tool_statuses[] = {"Pending", "Waiting for confirmation",
    "In Progress", "Completed", "Failed", "Rejected", "Canceled"};

/* ---- in memory */

static void sim_thread_make_id(char out[static 40])
{
	uint8_t b[16];

	random_bytes(b, sizeof b);
	b[6] = (uint8_t)((b[6] & 0x0F) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
	snprintf(out, 40,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
	    b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
	    b[13], b[14], b[15]);
}

static char *sim_strdup(const char *s)
{
	char *copy = strdup(s);

	must(copy);
	return copy;
}

struct sim_thread *sim_thread_new(const char *agent_name)
{
	struct sim_thread *t = calloc(1, sizeof *t);

	must(t);
	sim_thread_make_id(t->id);
	t->agent_name = sim_strdup(agent_name);
	t->last_request_id = sim_strdup("");
	return t;
}

struct sim_thread *sim_thread_free(struct sim_thread *t)
{
	if (!t)
		return NULL;
	must(!t->turn);
	for (size_t i = 0; i < t->n_entries; i++) {
		buf_deinit(&t->entries[i].text);
		free(t->entries[i].tool_name);
	}
	free(t->entries);
	free(t->agent_name);
	free(t->title);
	free(t->last_request_id);
	free(t);
	return NULL;
}

size_t sim_thread_add(struct sim_thread *t, bool is_user, const char *tool_name)
{
	if (t->n_entries == t->cap_entries) {
		t->cap_entries = t->cap_entries ? 2 * t->cap_entries : 4;
		t->entries = reallocarray(t->entries, t->cap_entries, sizeof *t->entries);
		must(t->entries);
	}
	t->entries[t->n_entries] = (struct sim_entry){
	    .is_user = is_user,
	    .is_tool = tool_name != NULL,
	    .text = BUF_NULL(SIM_ENTRY_MAX_BYTES),
	    .tool_name = tool_name ? sim_strdup(tool_name) : NULL,
	    .tool_status = "",
	};
	return t->n_entries++;
}

void sim_thread_set_request(struct sim_thread *t, const char *request_id)
{
	char *copy = sim_strdup(request_id);

	free(t->last_request_id);
	t->last_request_id = copy;
}

void sim_entry_content(const struct sim_entry *en, struct buf *out)
{
	if (en->is_tool)
		buf_addf(out, "**Tool Call: %s**\nStatus: %s\n\n", en->tool_name,
		    en->tool_status);
	buf_add_slice(out, buf_slice(&en->text));
}

/* ---- on disk: <dir>/threads/<id>.json */

static struct jsn *sim_entry_to_json(const struct sim_entry *en)
{
	struct jsn *o = jsn_new_object();

	jsn_set_bool(o, "user", en->is_user);
	jsn_set(o, "text", jsn_new_string_n(buf_cstr(&en->text), en->text.n));
	jsn_set_string(o, "tool_name", en->tool_name);
	jsn_set_string(o, "tool_status", en->tool_status);
	return o;
}

static struct jsn *sim_thread_to_json(const struct sim_thread *t)
{
	struct jsn *o = jsn_new_object();
	struct jsn *entries = jsn_new_array();

	jsn_set_string(o, "id", t->id);
	jsn_set_string(o, "agent_name", t->agent_name);
	jsn_set_string(o, "title", t->title);
	for (size_t i = 0; i < t->n_entries; i++)
		jsn_push(entries, sim_entry_to_json(&t->entries[i]));
	jsn_set(o, "entries", entries);
	return o;
}

static int sim_file_write(const char *path, struct slice text)
{
	char temp[PATH_MAX];
	FILE *f;
	int r = 0;

	if (snprintf(temp, sizeof temp, "%s.tmp", path) >= (int)sizeof temp)
		return -ENAMETOOLONG;
	f = fopen(temp, "we");
	if (!f)
		return -errno;
	if (fwrite(text.p, 1, text.n, f) != text.n)
		r = -EIO;
	if (fclose(f) != 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temp, path) < 0)
		r = -errno;
	return r;
}

/* @dir and @dir/threads, parents included. */
static void sim_thread_make_dirs(const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/threads/", dir);
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		(void)mkdir(path, 0700);
		*p = '/';
	}
}

int sim_thread_save(const struct sim_thread *t, const char *dir, struct err *e)
{
	struct buf text = BUF_NULL(SIM_THREAD_MAX_BYTES);
	char path[PATH_MAX];
	struct jsn *o;
	int r;

	if (!dir[0])
		return 0;
	snprintf(path, sizeof path, "%s/threads/%s.json", dir, t->id);
	o = sim_thread_to_json(t);
	jsn_print(o, &text);
	jsn_free(o);
	r = buf_check(&text);
	if (r == 0)
		r = sim_file_write(path, buf_slice(&text));
	if (r == -ENOENT) {
		sim_thread_make_dirs(dir);
		r = sim_file_write(path, buf_slice(&text));
	}
	buf_deinit(&text);
	return r == 0 ? 0 : err_set(e, r, "%s: %s", path, strerror(-r));
}

static const char *sim_tool_status(const char *s)
{
	for (size_t i = 0; s && i < ARRAY_LEN(sim_tool_statuses); i++) {
		if (strcmp(s, sim_tool_statuses[i]) == 0)
			return sim_tool_statuses[i];
	}
	return "";
}

static bool sim_entry_from_json(struct sim_thread *t, const struct jsn *v)
{
	const char *text = jsn_get_string(v, "text");
	size_t i;

	if (!text)
		return false;
	i = sim_thread_add(
	    t, jsn_get_bool(v, "user", false), jsn_get_string(v, "tool_name"));
	t->entries[i].tool_status = sim_tool_status(jsn_get_string(v, "tool_status"));
	buf_adds(&t->entries[i].text, text);
	return true;
}

static struct sim_thread *sim_thread_from_json(const char *id, const struct jsn *o)
{
	const char *agent = jsn_get_string(o, "agent_name");
	struct sim_thread *t = sim_thread_new(agent ? agent : "");

	snprintf(t->id, sizeof t->id, "%s", id);
	if (jsn_get_string(o, "title"))
		t->title = sim_strdup(jsn_get_string(o, "title"));
	jsn_for_each (v, jsn_get(o, "entries")) {
		if (!sim_entry_from_json(t, v))
			return sim_thread_free(t);
	}
	return t;
}

static int sim_file_read(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "re");
	char chunk[16384];
	size_t n;

	if (!f)
		return errno == ENOENT ? ERROR_NOT_FOUND : -errno;
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		buf_add(out, chunk, n);
	fclose(f);
	return buf_check(out);
}

int sim_thread_load(
    const char *dir, const char *id, struct sim_thread **out, struct err *e)
{
	struct buf text = BUF_NULL(SIM_THREAD_MAX_BYTES);
	char path[PATH_MAX];
	struct jsn *o = NULL;
	int r;

	if (!dir[0] || strlen(id) >= sizeof(*out)->id || !id_token_valid(slice_of(id)))
		return err_set(e, ERROR_NOT_FOUND, "no thread %s", id);
	snprintf(path, sizeof path, "%s/threads/%s.json", dir, id);
	r = sim_file_read(path, &text);
	if (r != 0)
		err_set(e, r, "%s: %s", path, r < 0 ? strerror(-r) : "no such thread");
	else
		r = jsn_parse(buf_cstr(&text), text.n, &o, e);
	if (r == 0) {
		*out = sim_thread_from_json(id, o);
		r = *out ? 0 : err_set(e, ERROR_INVALID, "%s: damaged", path);
	}
	jsn_free(o);
	buf_deinit(&text);
	return r;
}
