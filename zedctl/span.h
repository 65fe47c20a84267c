/* Values inside a JSON text by JSON pointer, as bytes: reading and changing settings
 * without touching the text of numbers and strings that are not meant. Every text here
 * has been through jsn_parse: it is valid. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* The bytes of the value at @pointer ("" or "/": all of it); .p NULL if there is none. */
struct slice span_find(struct slice json, const char *pointer);
/* Append @json with @value at @pointer; objects on the way are made. Return: 0;
 * ERROR_INVALID (a pointer that is none, or that leads into an array beyond its end). */
int span_set(struct slice json, const char *pointer, struct slice value, struct buf *out,
    struct err *e) MUST_CHECK;
/* Append @json without the member at @pointer; unchanged if there is none. */
int span_unset(
    struct slice json, const char *pointer, struct buf *out, struct err *e) MUST_CHECK;
/* The members of an object or the elements of an array as span_find gives it, one a call:
 * *@at is 0 at first. @key_out: with its quotes; empty in arrays. False after the last,
 * or if @json is neither. */
bool span_each(
    struct slice json, size_t *at, struct slice *key_out, struct slice *value_out);
/* Append the text of the JSON string @json; false if it is none. */
bool span_string(struct slice json, struct buf *out);
