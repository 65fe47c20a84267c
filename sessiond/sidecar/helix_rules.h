/* What Helix itself means other than a settings server of its own would: the theme goes
 * with the desktop's colours, some keys are nobody's business but the file's, and two are
 * of the past. */
#pragma once

#include "sessiond/core/overrides.h"
#include "sessiond/core/policy.h"
#include "sessiond/sidecar/helix_base.h"

/**
 * helix_theme_apply() - whose the theme is
 * @file: what the settings file says; NULL: nothing that can be read
 * @base0: the base that was last applied; NULL: none was
 *
 * Helix changes the theme with the desktop's colours. A theme of somebody's own choice
 * (any name but the two that Helix itself sets) stays; of anything else no override is
 * left once the base's theme is a new one. A file that is met for the first time keeps a
 * theme of choice too.
 *
 * Return: in this step the theme is Helix's, whatever the file says
 */
bool helix_theme_apply(struct arena *a, struct overrides *u, const struct jval *file,
    const struct jval *base, const struct jval *base0);

/* @p with a rule more that says so. */
void helix_theme_own(struct arena *a, struct policy *p);

/* Keys that Helix's daemon once wrote and Zed never read: @base0 (NULL: none was applied
 * yet) with them as @file has them, so that the policy retires them. */
struct jval *helix_retire(struct arena *a, const struct jval *file, struct jval *base0);

/* What is told to Helix: the overrides as one object, without what is never told. */
struct jval *helix_upload(struct arena *a, const struct overrides *u);

/**
 * helix_upload_undo() - an upload as Helix would have said it
 * @body: as made by helix_upload()
 * @host: helix_base_host() of the last answer
 *
 * What was put in here (the user's token, where the API is reached from here) may be in
 * an override of the entry it was put into: it goes out as it came in, or not at all.
 */
void helix_upload_undo(struct slice body, const struct helix_base_conf *c,
    struct slice host, struct buf *out);
