/* Texts of other files on Helix's desktop, which agents and Zed read beside the settings:
 * made whole, or changed where Helix has a say and kept otherwise. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "sessiond/sidecar/helix_answer.h"

/* keymap.json: copy and paste in Zed's terminal with the keys of a browser. */
extern const char helix_keymap[];

/* goose's config.yaml: recipes as slash commands. @baked_path: where the one recipe is
 * that comes with its text; "" if none does. */
void helix_goose_config(const struct helix_agent *g, const char *baked_path, struct buf *out);
/* The name makes a file name of its own. */
bool helix_goose_bakes(const struct helix_agent *g);

/* The functions below get what the file says now (empty if there is none) and give what
 * it shall say. ERROR_INVALID: it says something they cannot read; it is to be left. */

/* claude's managed-settings.json: the model. */
int helix_claude_settings(struct slice now, const struct helix_agent *g, struct buf *out,
    struct err *e) MUST_CHECK;
/* qwen's settings.json: nothing is told to anybody, and how hard it thinks. */
int helix_qwen_settings(struct slice now, const struct helix_agent *g, struct buf *out,
    struct err *e) MUST_CHECK;
/* codex's config.toml: it asks nobody, and where its models are. @base_url: as reached
 * from here; "" for those of who is signed in. */
int helix_codex_config(struct slice now, struct slice model, struct slice base_url,
    struct buf *out, struct err *e) MUST_CHECK;
