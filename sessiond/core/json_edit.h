/* The smallest change of a settings text that makes it say something else. Comments,
 * order, spacing and the text of every value that stays are kept byte for byte; no
 * comment is ever deleted. */
#pragma once

#include "sessiond/core/json_doc.h"

enum json_edit_result {
	JSON_EDIT_DONE,
	JSON_EDIT_NONE,   /* it says so already: *text_out is the text as it is */
	JSON_EDIT_TOO_LARGE, /* the new text would pass a limit of json_doc.h */
	JSON_EDIT_FAILED,    /* the new text does not verify; nothing may be written (a fault
			     of this module) */
};

struct json_edit_stats {
	size_t n_edits;
	size_t n_changed_bytes;
};

/**
 * json_edit_to() - edit the text of @d until it says @target
 * @d:      JSON_DOC_OK with an object, or JSON_DOC_BLANK (comments are kept, the document
 * follows them)
 * @target: an object; values that equal what is there are left as they are written
 *
 * Rules: values are replaced in place, new members go last in their object, deleted ones
 * take their line with them. The result is parsed again and compared with @target, and
 * its comments with those of @d.
 */
enum json_edit_result json_edit_to(struct arena *a, const struct json_doc *d,
    const struct jval *target, struct slice *text_out, struct json_edit_stats *stats_out);
