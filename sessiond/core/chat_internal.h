/* What the files of the conversation's state machine share. */
#pragma once

#include "sessiond/core/chat.h"

/* What one application works with. */
struct chat_step {
	struct chat *c;
	const struct chat_now *now;
	struct chat_effects *fx;
};

/* chat.c */
bool zed_link_has_turn(const struct zed_link *l, const char *id);
bool chat_turn_queued(const struct turn *t);
void chat_remember(struct chat *c, const char *turn_id);

/* chat_step.c */
void step_effect(struct chat_step *st, enum chat_effect_kind kind, struct turn *t);
void step_set_state(struct chat_step *st, struct turn *t, enum turn_state to);
void step_end(
    struct chat_step *st, struct turn *t, enum turn_state to, const char *cause);
void step_fail(
    struct chat_step *st, struct turn *t, const char *cause, const char *error);
void step_revive(struct chat_step *st, struct turn *t);
void step_cancel(struct chat_step *st, struct turn *t);
void step_complete(struct chat_step *st, struct turn *t);
void step_advance(struct chat_step *st);
void step_take_back(struct chat_step *st, struct turn *t);
void step_resend(struct chat_step *st, struct turn *t);
void step_resume(struct chat_step *st, struct turn *t);
void step_on_hand_stored(struct chat_step *st, struct turn *t);
void step_on_link_up(struct chat_step *st, struct zed_link *l);
void step_on_link_ready(struct chat_step *st);
void step_on_link_down(struct chat_step *st);
