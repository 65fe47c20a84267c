/* States of a turn: one prompt and its answer. STATE(name, wire name, legal successors,
 * sentence) */
STATE(QUEUED, "queued", S(WAITING) | S(INTERRUPTED) | S(ERROR),
    "Stored; another prompt goes first.")
STATE(WAITING, "waiting",
    S(QUEUED) | S(STREAMING) | S(COMPLETE) | S(INTERRUPTED) | S(ERROR) | S(LOST),
    "Next in line, or handed to Zed and nothing seen of an answer yet.")
STATE(STREAMING, "streaming", S(COMPLETE) | S(INTERRUPTED) | S(ERROR) | S(LOST),
    "Some of the answer has come.")
STATE(COMPLETE, "complete", S(STREAMING),
    "Answered. Only one whose end was inferred may stream again.")
STATE(INTERRUPTED, "interrupted", 0, "Cancelled, or overtaken by an interrupting prompt.")
STATE(ERROR, "error", 0, "Zed reported a failure, or never answered.")
STATE(LOST, "lost", S(STREAMING) | S(COMPLETE) | S(INTERRUPTED) | S(ERROR),
    "Its Zed went away and did not come back in time; if it does, the turn goes on.")
