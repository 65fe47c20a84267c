/* After another agent was chosen: if it does not take up what waits for it, the desktop is
 * asked to start the editor anew. */
#pragma once

struct session;

void switch_init(struct session *s);
void switch_deinit(struct session *s);
/* The session has another agent, and no thread. A switch before it counts no more. */
void switch_begin(struct session *s);
/* A prompt went to Zed: the first one shows whether it knows the new agent. */
void switch_on_prompt(struct session *s);
