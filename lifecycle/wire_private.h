/* Shared by the wire*.c files: small conversions between strings and native values. */
#pragma once

#include "base/err.h"
#include "base/ids.h"
#include "lifecycle/core/assignment.h"
#include "lifecycle/core/instance.h"
#include "lifecycle/core/strmap.h"

struct ProtobufCMessageDescriptor;
struct Lifecycle__V1__Record;
struct Lifecycle__V1__Start;
struct Lifecycle__V1__Stop;
struct Lifecycle__V1__SignalRequest;

/* Our strings in a message for the time of its packing. */
static inline char *lend(const char *s)
{
	return (char *)(uintptr_t)s;
}

/* "" becomes an absent field. */
static inline char *lend_text(const char *s)
{
	return *s ? lend(s) : NULL;
}

/* An absent or empty field becomes ""; else it must be a token. */
int wire_take_id(
    const char *field, const char *s, struct id *out, struct err *e) MUST_CHECK;
/* @cap with the NUL; ERROR_INVALID if it does not fit. */
int wire_take_text(
    const char *field, const char *s, char *out, size_t cap, struct err *e) MUST_CHECK;
/* For texts of our own making: cut to fit, control characters become spaces. */
void wire_take_detail(const char *s, char *out, size_t cap);
/* Absent: -1 in *out. Negative: ERROR_INVALID. */
int wire_take_ms(
    const char *field, bool has, int64_t ms, int64_t *out, struct err *e) MUST_CHECK;
/* A copy for the native struct; NULL for NULL and "". */
char *wire_dup(const char *s);
/* @entries: array of @n pointers to map entries (all of the same layout) -> *out, which
 * must be null. */
void wire_take_map(struct strmap *out, size_t n, const void *entries);
/* The reverse, for the time of packing: free() what is returned. @d describes the
 * entries. */
void *wire_lend_map(const struct strmap *m, const struct ProtobufCMessageDescriptor *d);

/* Filled for the time of packing; strings are lent. */
void wire_lend_record(
    struct Lifecycle__V1__Record *out, const struct instance *i, bool duplicate);
void wire_lend_stop(struct Lifecycle__V1__Stop *out, const struct stop_request *s);
int wire_take_stop(const struct Lifecycle__V1__Stop *m, struct stop_request *out,
    struct err *e) MUST_CHECK;
/* @store and @ptrs have room for SIGNALS_MAX. */
void wire_lend_signals(const struct signal_request *s, size_t n,
    struct Lifecycle__V1__SignalRequest *store,
    struct Lifecycle__V1__SignalRequest **ptrs);
int wire_take_signals(struct Lifecycle__V1__SignalRequest *const *m, size_t n,
    struct signal_request *out, size_t *n_out, struct err *e) MUST_CHECK;
