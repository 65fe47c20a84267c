/* The states of an instance. STATE(name, number on the wire, event type told on entering it, legal successors, sentence);
 * S(x) is the bit of state x. Reports are levels, not edges: a runner may be seen to skip what it passed through. */
STATE(PENDING, 1, "accepted", S(PENDING) | S(ASSIGNED) | S(STOPPED) | S(FAILED),
	"Accepted; no runner has it yet. The reason says why.")
STATE(ASSIGNED, 2, "assigned",
	S(PENDING) | S(STARTING) | S(RUNNING) | S(BACKOFF) | S(STOPPING) | S(STOPPED) | S(EXITED) | S(FAILED) |
	S(UNKNOWN) | S(STOP_STUCK),
	"A runner was chosen and has been told.")
STATE(STARTING, 3, "starting",
	S(PENDING) | S(RUNNING) | S(BACKOFF) | S(STOPPING) | S(STOPPED) | S(EXITED) | S(FAILED) | S(UNKNOWN) |
	S(STOP_STUCK),
	"The runner starts it; it is not ready yet.")
STATE(RUNNING, 4, "running",
	S(STARTING) | S(BACKOFF) | S(STOPPING) | S(STOPPED) | S(EXITED) | S(FAILED) | S(UNKNOWN) | S(STOP_STUCK),
	"It runs and is ready.")
STATE(BACKOFF, 5, "backoff",
	S(STARTING) | S(RUNNING) | S(STOPPING) | S(STOPPED) | S(EXITED) | S(FAILED) | S(UNKNOWN) | S(STOP_STUCK),
	"It ended and is started again after a delay.")
STATE(STOPPING, 6, "stopping",
	S(STARTING) | S(RUNNING) | S(BACKOFF) | S(STOPPED) | S(EXITED) | S(FAILED) | S(UNKNOWN) | S(STOP_STUCK),
	"It is being stopped; processes may still live.")
STATE(STOPPED, 7, "stopped", S(PENDING),
	"Ended as asked; the whole process tree is gone.")
STATE(EXITED, 8, "exited", S(PENDING),
	"Ended by itself, and its policy does not start it again.")
STATE(FAILED, 9, "failed", S(PENDING),
	"Given up; the reason says why.")
STATE(UNKNOWN, 10, "unknown",
	S(PENDING) | S(STARTING) | S(RUNNING) | S(BACKOFF) | S(STOPPING) | S(STOPPED) | S(EXITED) | S(FAILED) |
	S(LOST) | S(STOP_STUCK) | S(ASSIGNED),
	"Its runner is silent; it may well be running.")
STATE(LOST, 11, "lost",
	S(PENDING) | S(STARTING) | S(RUNNING) | S(BACKOFF) | S(STOPPING) | S(STOPPED) | S(EXITED) | S(FAILED) |
	S(STOP_STUCK) | S(ASSIGNED),
	"Its runner was silent for too long.")
STATE(STOP_STUCK, 12, "stopping",
	S(STARTING) | S(RUNNING) | S(BACKOFF) | S(STOPPING) | S(STOPPED) | S(EXITED) | S(FAILED) | S(UNKNOWN),
	"Processes survive every signal; the detail lists them. It is tried again and again.")
