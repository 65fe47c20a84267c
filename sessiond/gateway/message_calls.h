/* Handlers of message_routes that live in files of their own. */
#pragma once

struct call;

void message_on_cancel(struct call *c);       /* cancel.c */
void message_on_interactions(struct call *c); /* interactions.c */
