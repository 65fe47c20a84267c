/* How a settings text is laid out: indentation, ends of line, spacing. What is added
 * follows what is there. */
#pragma once

#include "sessiond/core/json_doc.h"

/* One step of indentation: the most common one of the outer three levels (tie: the
 * smaller), a tab where lines begin with tabs, two spaces when nothing tells. */
struct slice json_style_unit(struct arena *a, const struct json_doc *d);
/* "\n" or "\r\n": of the line before @offset, else of the first line that has one. */
struct slice json_style_eol(const struct json_doc *d, size_t offset);
/* Offset of the first byte of the line @offset is on. */
size_t json_style_line_start(const struct json_doc *d, size_t offset);
/* White space that line begins with. */
struct slice json_style_indent(const struct json_doc *d, size_t offset);
/* Nothing but white space stands before @offset on its line. */
bool json_style_first_on_line(const struct json_doc *d, size_t offset);
/* @v spans more than one line. */
bool json_style_multi_line(const struct json_doc *d, const struct jval *v);
/* A space follows colons, and commas, in @obj on one line. */
bool json_style_colon_space(const struct json_doc *d, const struct jval *obj);
bool json_style_comma_space(const struct json_doc *d, const struct jval *obj);
/* Index of the comma after @member, or of the token that closes its container. */
uint32_t json_style_after(const struct json_doc *d, const struct jval *member);
