/* Carrying out what the conversation decides (sessiond/core/chat.h): storing, sending,
 * telling. */
#pragma once

#include "sessiond/gateway/turn_store.h"

void talk_init(struct session *s);
void talk_deinit(struct session *s);

struct talk_input {
	enum chat_input_kind kind;
	struct turn *turn;
	struct zed_link *link;
	const char *text;
};
/* Apply an input and carry out what follows, unless that is going on already: then it
 * follows a little later. */
void talk_apply(struct session *s, const struct talk_input *in);
#define TALK(s, ...) talk_apply((s), &(struct talk_input){__VA_ARGS__})
/* After a restart: all of its turns and their texts are in memory. */
void talk_recover(struct session *s);
/* A turn that somebody began in Zed itself; NULL if another is under way. */
struct turn *talk_begin_zed_turn(struct session *s, const char *prompt);
/* For what is waited for by nobody. */
void talk_ignore(void *data, int code);
