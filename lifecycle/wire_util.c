/* Small conversions of the wire files. */
#include <protobuf-c/protobuf-c.h>

#include "lifecycle/wire_private.h"
#include "proto/lifecycle.pb-c.h"

struct map_entry_message {
	ProtobufCMessage base;
	char *key, *value;
};

_Static_assert(
    sizeof(struct map_entry_message) == sizeof(Lifecycle__V1__Start__EnvEntry) &&
	offsetof(struct map_entry_message, value) ==
	    offsetof(Lifecycle__V1__Start__EnvEntry, value),
    "all entries of maps of strings are laid out alike");

int wire_take_id(const char *field, const char *s, struct id *out, struct err *e)
{
	*out = ID_NULL;
	if (!s || !*s || id_parse(slice_of(s), out))
		return 0;
	return err_set(e, ERROR_INVALID,
	    "%s: \"%.80s\" is not 1 to 64 of the characters A-Z a-z 0-9 _ -", field, s);
}

int wire_take_text(const char *field, const char *s, char *out, size_t cap, struct err *e)
{
	size_t n = s ? strlen(s) : 0;

	out[0] = '\0';
	if (n >= cap)
		return err_set(e, ERROR_INVALID, "%s: over %zu bytes", field, cap - 1);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return err_set(
			    e, ERROR_INVALID, "%s: holds a control character", field);
	if (n > 0)
		memcpy(out, s, n);
	out[n] = '\0';
	return 0;
}

void wire_take_detail(const char *s, char *out, size_t cap)
{
	size_t n = s ? strlen(s) : 0;

	if (n > cap - 1) {
		n = cap - 1;
		while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
			n--; /* whole UTF-8 sequences only */
	}
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? ' ' : s[i];
	out[n] = '\0';
}

int wire_take_ms(const char *field, bool has, int64_t ms, int64_t *out, struct err *e)
{
	*out = has ? ms : -1;
	if (has && ms < 0)
		return err_set(
		    e, ERROR_INVALID, "%s: %lld is negative", field, (long long)ms);
	return 0;
}

char *wire_dup(const char *s)
{
	char *copy = s && *s ? strdup(s) : NULL;

	must(!s || !*s || copy);
	return copy;
}

void wire_take_map(struct strmap *out, size_t n, const void *entries)
{
	const struct map_entry_message *const *items = entries;

	for (size_t i = 0; i < n; i++)
		strmap_put(out, items[i]->key ? items[i]->key : "",
		    items[i]->value ? items[i]->value : "");
}

void *wire_lend_map(const struct strmap *m, const struct ProtobufCMessageDescriptor *d)
{
	size_t n = m->n;
	struct map_entry_message **ptrs, *items;

	if (n == 0)
		return NULL;
	ptrs = calloc(n, sizeof(*ptrs) + sizeof(*items));
	must(ptrs);
	items = (void *)(ptrs + n);
	for (size_t i = 0; i < n; i++) {
		protobuf_c_message_init(d, &items[i]);
		items[i].key = m->items[i].key;
		items[i].value = m->items[i].value;
		ptrs[i] = &items[i];
	}
	return ptrs;
}

void wire_lend_stop(struct Lifecycle__V1__Stop *out, const struct stop_request *s)
{
	lifecycle__v1__stop__init(out);
	out->has_grace_ms = s->grace_ms >= 0;
	out->grace_ms = s->grace_ms;
	out->has_force = s->force;
	out->force = s->force;
	out->reason = lend_text(s->reason);
}

int wire_take_stop(
    const struct Lifecycle__V1__Stop *m, struct stop_request *out, struct err *e)
{
	*out = (struct stop_request){.grace_ms = -1};
	if (!m)
		return 0;
	out->force = m->has_force && m->force;
	return wire_take_ms("grace_ms", m->has_grace_ms, m->grace_ms, &out->grace_ms, e)
		   ?: wire_take_text(
			  "reason", m->reason, out->reason, sizeof(out->reason), e);
}

void wire_lend_signals(const struct signal_request *s, size_t n,
    struct Lifecycle__V1__SignalRequest *store,
    struct Lifecycle__V1__SignalRequest **ptrs)
{
	for (size_t i = 0; i < n; i++) {
		lifecycle__v1__signal_request__init(&store[i]);
		store[i].has_no = store[i].has_signal = 1;
		store[i].no = s[i].no;
		store[i].signal = (Lifecycle__V1__Signo__Code)s[i].signal;
		ptrs[i] = &store[i];
	}
}

int wire_take_signals(struct Lifecycle__V1__SignalRequest *const *m, size_t n,
    struct signal_request *out, size_t *n_out, struct err *e)
{
	*n_out = 0;
	if (n > SIGNALS_MAX)
		return err_set(e, ERROR_INVALID, "signals: more than %d", SIGNALS_MAX);
	for (size_t i = 0; i < n; i++)
		out[i] = (struct signal_request){
		    .no = m[i]->no, .signal = m[i]->has_signal ? (int)m[i]->signal : 0};
	*n_out = n;
	return 0;
}
