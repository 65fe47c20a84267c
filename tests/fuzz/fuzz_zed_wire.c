/* What Zed sends, a message a line: decoded, put into an answer, and the answer rebuilt
 * from its patches. */
#include "base/must.h"
#include "base/utf8.h"
#include "sessiond/core/chat.h"
#include "sessiond/core/zed_command.h"
#include "sessiond/core/zed_event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_patches(struct entries *e)
{
	struct entries back = ENTRIES_NULL;
	struct entry_patch p;

	while (entries_next_patch(e, ENTRIES_STORED, 7, &p)) {
		struct entry_stored st = {.index = p.index,
		    .message_id = p.entry->message_id,
		    .type = p.entry->type,
		    .tool_name = p.entry->tool_name,
		    .tool_status = p.entry->tool_status,
		    .offset = p.offset,
		    .append = p.append};

		must(entries_apply(&back, &st));
	}
	must(back.n == e->n);
	for (size_t i = 0; i < e->n; i++) {
		const struct entry *a = &e->v[i], *b = &back.v[i];

		must(a->n_content == b->n_content && a->n_utf16 == b->n_utf16);
		must(memcmp(a->content, b->content, a->n_content) == 0);
		must(utf8_valid(a->content, a->n_content));
		must(utf8_utf16_len(a->content, a->n_content) == a->n_utf16);
	}
	entries_deinit(&back);
}

static void check_event(const struct zed_event *ev, struct entries *answer)
{
	struct buf command = BUF_NULL(1 << 20);

	if (ev->kind == ZED_MESSAGE_ADDED) {
		struct entry_update u = {.message_id = ev->message_id,
		    .type = ev->entry_type,
		    .tool_name = ev->tool_name,
		    .tool_status = ev->tool_status,
		    .content = slice_of(ev->content)};

		(void)entries_put(answer, &u);
		must(entries_put(answer, &u) == ENTRIES_SAME);
	}
	if (ev->kind == ZED_THREAD_LOAD_ERROR)
		(void)chat_error_is_no_thread(ev->error, ev->thread_id);
	if (ev->kind == ZED_AGENT_READY)
		jsn_for_each (v, ev->active_turns)
			(void)zed_active_turn_id(v);
	if (ev->request_id) {
		struct zed_chat_message m = {.message = ev->content ? ev->content : "",
		    .n_message = ev->content ? strlen(ev->content) : 0,
		    .request_id = ev->request_id,
		    .thread_id = ev->thread_id};

		zed_add_chat_message(&command, &m);
		zed_add_cancel(&command, ev->request_id);
	}
	buf_deinit(&command);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *p = (const char *)data, *end = p + n;
	struct entries answer = ENTRIES_NULL;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = nl ? (size_t)(nl - p) : (size_t)(end - p);
		struct zed_event ev;
		struct err e = ERR_NULL;
		int r = zed_event_decode((struct slice){p, len}, &ev, &e);

		must(r == 0 ||
		     ((r == ERROR_INVALID || r == ERROR_UNPROCESSABLE) && e.text[0]));
		if (r == 0)
			check_event(&ev, &answer);
		zed_event_deinit(&ev);
		p += len + 1;
	}
	check_patches(&answer);
	entries_deinit(&answer);
	return 0;
}
