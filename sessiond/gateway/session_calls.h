/* Handlers of session_routes that live in files of their own. */
#pragma once

struct call;

void session_on_post(struct call *c);   /* session_make.c */
void agent_on_post(struct call *c);     /* session_make.c: POST external-agents */
void session_on_list(struct call *c);   /* session_list.c */
void session_on_patch(struct call *c);  /* session_patch.c */
void session_on_delete(struct call *c); /* session_delete.c */
