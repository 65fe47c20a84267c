/* Which session a thread belongs to that Zed says was created. Newest thread wins within
 * its session; a prompt's thread never becomes a session of its own. */
#pragma once

#include <stdbool.h>

enum thread_decision {
	THREAD_FIRST,    /* of a prompt that was sent without one: bind it */
	THREAD_ENVELOPE, /* the message names its session: bind it */
	THREAD_KNOWN,    /* bound already: nothing to do */
	THREAD_AGAIN, /* a second thread for a prompt under way: Zed streams there now, so
			 bind it */
	THREAD_NEW,   /* somebody began it in the editor: a session of its own */
	THREAD_REFUSED, /* it names a session this connection does not serve */
};

/* What the indexes know; sessions are opaque here, NULL is none. Only sessions the
 * connection serves count. */
struct thread_facts {
	void *first;   /* session of the named request, if that was sent without a thread
			  and got none yet */
	bool envelope; /* the message names a session */
	void *by_envelope;   /* that session */
	void *by_thread;     /* session bound to this thread */
	bool foreign_thread; /* bound, but to a session this connection does not serve */
	void *again; /* session of the named request, if that is still under way */
};

enum thread_decision thread_decide(const struct thread_facts *f, void **session_out);
