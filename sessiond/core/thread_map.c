/* The decision list of thread_created, in order of priority. */
#include "sessiond/core/thread_map.h"

#include <stddef.h>

enum thread_decision thread_decide(const struct thread_facts *f, void **session_out)
{
	*session_out = NULL;
	if (f->first) {
		*session_out = f->first;
		return THREAD_FIRST;
	}
	if (f->envelope) {
		*session_out = f->by_envelope;
		return f->by_envelope ? THREAD_ENVELOPE : THREAD_REFUSED;
	}
	if (f->by_thread) {
		*session_out = f->by_thread;
		return THREAD_KNOWN;
	}
	if (f->foreign_thread)
		return THREAD_REFUSED;
	if (f->again) {
		*session_out = f->again;
		return THREAD_AGAIN;
	}
	return THREAD_NEW;
}
