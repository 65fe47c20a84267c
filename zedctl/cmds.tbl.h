/* Every verb of zedctl and every flag, once: parsing, --help and shell completion are made from it.
 * VERB(id, words, arguments, min, max, sentence); the flags of a verb follow it.
 * FLAG(verb id, name, short or 0, KIND, what stands for the value, sentence); verb id `global` is for all verbs.
 * NOTE(verb id, text): a line more for the verb's own --help. */
#ifndef VERB
#define VERB(...)
#endif
#ifndef FLAG
#define FLAG(...)
#endif
#ifndef NOTE
#define NOTE(...)
#endif

FLAG(global, "server", 0, ONE, "URL", "sessiond (environment ZEDBUS_SERVER).")
FLAG(global, "token", 0, ONE, "T", "Token for sessiond (environment ZEDBUS_TOKEN).")
FLAG(global, "token-file", 0, ONE, "FILE", "File holding that token (environment ZEDBUS_TOKEN_FILE).")
FLAG(global, "tls-ca", 0, ONE, "FILE", "CA certificates sessiond is verified with, PEM.")
FLAG(global, "tenant", 0, ONE, "T", "Tenant of instances (environment ZEDBUS_TENANT; default).")
FLAG(global, "output", 'o', ONE, "table|json|wide", "Form of the answer; json is stable.")
FLAG(global, "watch", 'w', NONE, "", "Show again at every change (ls, get, runners, status, queue, session ls, settings).")
FLAG(global, "connect-timeout", 0, INT, "MS", "How long to wait for a connection (5000).")
FLAG(global, "help", 'h', NONE, "", "This text; after a verb, its own.")
FLAG(global, "version", 0, NONE, "", "Print the version.")

VERB(start, "start", "ID", 1, 1, "Start an instance.")
FLAG(start, "profile", 'p', REQUIRED, "P", "Profile on the runner: what is run.")
FLAG(start, "session", 's', ONE, "S", "Session whose prompts this Zed answers.")
FLAG(start, "env", 'e', MANY, "K=V", "Environment variable the profile admits.")
FLAG(start, "param", 0, MANY, "K=V", "Parameter of the profile.")
FLAG(start, "workspace", 0, ONE, "D", "Folder it works in, beneath a workspace root.")
FLAG(start, "label", 'l', MANY, "K=V", "Label the runner must have.")
FLAG(start, "restart", 0, ONE, "never|on_failure|always", "When it is started again after an exit.")
FLAG(start, "grace", 0, INT, "MS", "Time between the stop signal and the kill.")
FLAG(start, "idle", 0, INT, "MS", "Stop it after this long without use of its session; 0: never.")
FLAG(start, "command-id", 0, ONE, "ID", "Makes repeating this very command harmless.")
FLAG(start, "wait", 0, NONE, "", "Wait until it runs.")
FLAG(start, "timeout", 't', INT, "MS", "Give up waiting after this long (120000).")

VERB(stop, "stop", "ID", 1, 1, "Stop an instance.")
FLAG(stop, "wait", 0, NONE, "", "Wait until its whole process tree is gone.")
FLAG(stop, "force", 0, NONE, "", "Kill at once, without signal and grace.")
FLAG(stop, "grace", 0, INT, "MS", "Time between the stop signal and the kill.")
FLAG(stop, "reason", 0, ONE, "TEXT", "Kept in the event.")
FLAG(stop, "command-id", 0, ONE, "ID", "Makes repeating this very command harmless.")
FLAG(stop, "timeout", 't', INT, "MS", "Give up waiting after this long (120000).")

VERB(restart, "restart", "ID", 1, 1, "Stop an instance and start it again, same specification.")
FLAG(restart, "wait", 0, NONE, "", "Wait until it runs again.")
FLAG(restart, "command-id", 0, ONE, "ID", "Makes repeating this very command harmless.")
FLAG(restart, "timeout", 't', INT, "MS", "Give up waiting after this long (120000).")

VERB(signal, "signal", "ID HUP|INT|QUIT|TERM|USR1|USR2|KILL", 2, 2, "Send a signal to an instance's main process.")

VERB(purge, "purge", "ID", 1, 1, "Forget an instance that has ended, and its state folder.")

VERB(ls, "ls", "", 0, 0, "List instances.")
FLAG(ls, "state", 0, ONE, "STATE", "Only those in this state.")
FLAG(ls, "profile", 'p', ONE, "P", "Only those of this profile.")
FLAG(ls, "label", 'l', MANY, "K=V", "Only those with this label.")

VERB(get, "get", "ID", 1, 1, "Show one instance.")

VERB(wait, "wait", "ID", 1, 1, "Wait until an instance is in a state.")
FLAG(wait, "for", 0, REQUIRED, "STATE[,STATE]", "RUNNING, STOPPED, EXITED, FAILED...")
FLAG(wait, "timeout", 't', INT, "MS", "Give up after this long (120000).")

VERB(why, "why", "ID|SESSION", 1, 1, "Say what an instance or a session is waiting for.")

VERB(events, "events", "[ID]", 0, 1, "Show what happened, to one instance or to all of the tenant.")
FLAG(events, "follow", 'f', NONE, "", "Go on with new ones as they happen.")
FLAG(events, "tail", 'n', INT, "N", "Only the last N of the past.")

VERB(runners, "runners", "", 0, 0, "List runners.")

VERB(session_new, "session new", "", 0, 0, "Create a session and print its id.")
FLAG(session_new, "id", 0, ONE, "S", "This id (ses_...); creating it again is no error.")
FLAG(session_new, "name", 0, ONE, "TEXT", "Name shown to people.")
FLAG(session_new, "owner", 0, ONE, "SUB", "Whose session it is (service, admin).")
FLAG(session_new, "app", 0, ONE, "ID", "App whose settings it inherits.")
FLAG(session_new, "agent", 0, ONE, "NAME", "Agent in Zed: claude, codex, zed-agent...")
FLAG(session_new, "message", 'm', ONE, "TEXT", "First prompt.")
FLAG(session_new, "fallback", 0, ONE, "queue|reject|internal", "What becomes of a prompt when no Zed is there.")

VERB(session_ls, "session ls", "", 0, 0, "List sessions, newest first.")
FLAG(session_ls, "owner", 0, ONE, "SUB", "Only this owner's.")
FLAG(session_ls, "blocked-by", 0, ONE, "REASON", "Only those held up by no_agent, agent_not_ready, busy, broker or paused.")
FLAG(session_ls, "limit", 'n', INT, "N", "At most N (all).")

VERB(session_get, "session get", "SESSION", 1, 1, "Show one session.")

VERB(session_rm, "session rm", "SESSION", 1, 1, "Delete a session; its Zed is disconnected.")

VERB(chat, "chat", "SESSION [MESSAGE]", 1, 2, "Send a prompt and stream the answer; without one, on a terminal, a conversation.")
FLAG(chat, "interrupt", 'i', NONE, "", "Cancel the running turn first.")
FLAG(chat, "agent", 0, ONE, "NAME", "Agent in Zed for this prompt.")
FLAG(chat, "fallback", 0, ONE, "queue|reject|internal", "What becomes of the prompt when no Zed is there.")
FLAG(chat, "request-id", 0, ONE, "ID", "Makes sending this very prompt again harmless.")
FLAG(chat, "no-wait", 0, NONE, "", "Do not wait for the answer.")
FLAG(chat, "timeout", 't', INT, "MS", "Give up waiting after this long (600000); the prompt goes on.")

VERB(cancel, "cancel", "SESSION", 1, 1, "Cancel the running turn.")
FLAG(cancel, "request-id", 0, ONE, "ID", "Only if it is this one.")

VERB(queue, "queue", "SESSION", 1, 1, "Show the prompts that wait.")

VERB(settings_get, "settings get", "SESSION [POINTER]", 1, 2, "Show the user's overrides, or the value of one.")
NOTE(settings_get, "POINTER is a JSON pointer: /agent/show_onboarding. With -o wide long values are shown whole.")
FLAG(settings_get, "base", 0, NONE, "", "The base Helix manages instead.")
FLAG(settings_get, "raw", 'r', NONE, "", "Print a string without its quotes.")

VERB(settings_merged, "settings merged", "SESSION [POINTER]", 1, 2, "Print base and overrides together: what Zed gets.")
FLAG(settings_merged, "raw", 'r', NONE, "", "Print a string without its quotes.")

VERB(settings_set, "settings set", "SESSION POINTER VALUE [POINTER VALUE]...", 3, 129, "Set the user's value at a JSON pointer, or several at once.")
NOTE(settings_set, "VALUE is JSON. What is no JSON is a string, unless it begins with { [ or a double quote; - reads it from standard input.")
NOTE(settings_set, "Exit 1 if a path was not taken (the rule is named), or is stored but would be rejected by Zed.")
FLAG(settings_set, "string", 0, NONE, "", "VALUE is a string, whatever it looks like.")
FLAG(settings_set, "json", 0, NONE, "", "VALUE is JSON, or it is refused.")
FLAG(settings_set, "if-revision", 0, INT, "N", "Only if overrides (the base) are at revision (version) N still.")
FLAG(settings_set, "base", 0, NONE, "", "In the base Helix manages; pointer / or \"\" replaces it whole (service, admin).")

VERB(settings_unset, "settings unset", "SESSION POINTER...", 2, 129, "Drop the user's values at and below pointers (/: all of them): the base shows again.")
FLAG(settings_unset, "delete", 0, NONE, "", "Delete the base's values for this user instead; unset brings them back.")
FLAG(settings_unset, "if-revision", 0, INT, "N", "Only if overrides (the base) are at revision (version) N still.")
FLAG(settings_unset, "base", 0, NONE, "", "In the base Helix manages (service, admin).")

VERB(settings_diff, "settings diff", "SESSION [N|N..M] [POINTER]", 1, 3, "Show what the overrides change and the rule that decides, or what changed since revision N.")
NOTE(settings_diff, "Signs: + added, - deleted, ~ changed, = the same as the base. N: from revision N to now; N..M: to revision M.")
NOTE(settings_diff, "Secrets are shown as stars; between revisions sessiond itself gives only hashes of them.")
FLAG(settings_diff, "show-secrets", 0, NONE, "", "Show secret values of overrides and base.")

VERB(settings_history, "settings history", "SESSION [POINTER]", 1, 2, "List revisions, newest first: who changed what; with a pointer or -o wide, from what to what.")
FLAG(settings_history, "limit", 'n', INT, "N", "At most N (all).")

VERB(settings_rollback, "settings rollback", "SESSION N [POINTER]", 2, 3, "Make everything, or what is at a pointer, as it was at revision N, by a new revision.")
NOTE(settings_rollback, "A user's rollback moves the overrides alone; service and admin move the base too.")
FLAG(settings_rollback, "dry-run", 0, NONE, "", "Only show what it would change.")

VERB(settings_explain, "settings explain", "SESSION POINTER", 2, 2, "Say why a value is what it is: from whom, since when, by which rule.")

VERB(settings_pending, "settings pending", "SESSION", 1, 1, "List what instances hold back until somebody decides.")
NOTE(settings_pending, "bulk_delete: a save that removed most overrides at once. first_contact: values a file had before its first sync.")

VERB(settings_resolve, "settings resolve", "SESSION ID confirm|undo|restore", 3, 3, "Decide what is held back.")
NOTE(settings_resolve, "confirm: let it happen. undo: put the file back as it was. restore: take the values the file had at first contact.")

VERB(token_new, "token new", "", 0, 0, "Make a token: its secret is printed once, the token file gets only a hash.")
FLAG(token_new, "role", 0, REQUIRED, "admin|service|operator|user|agent", "What it may do.")
FLAG(token_new, "sub", 0, REQUIRED, "NAME", "Whose it is.")
FLAG(token_new, "session", 's', MANY, "S", "Session of an agent's token.")
FLAG(token_new, "expires-at", 0, ONE, "TIME", "RFC 3339; without it, never.")
FLAG(token_new, "append", 0, ONE, "FILE", "Append the line to this token file and print only the secret.")

VERB(status, "status", "", 0, 0, "Show both planes, the broker and their versions.")

VERB(completion, "completion", "bash|zsh|fish", 1, 1, "Print a completion script for a shell.")

#undef VERB
#undef FLAG
#undef NOTE
