/* Handlers of message_routes that live in files of their own. */
#pragma once

struct call;

void message_on_cancel(struct call *c);       /* cancel.c */
void message_on_interactions(struct call *c); /* interactions.c */
/* queue.c */
void queue_on_get(struct call *c);
void queue_on_patch(struct call *c);
void queue_on_patch_prompt(struct call *c);
void queue_on_delete_prompt(struct call *c);
