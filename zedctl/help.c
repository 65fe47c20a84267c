/* Help and completion scripts, from the table of verbs. */
#include <string.h>

#include "zedctl/args.h"

enum {
	HELP_COLUMN = 34,
};

static const char help_head[] =
    "Usage: zedctl [flags] VERB [arguments]\n\n"
    "Runs Zed instances, talks in their sessions, changes their settings.\n\n";

static const char help_tail[] = "\nExit codes: 0 done, 1 the system said no, 2 wrong "
				"usage, 3 timed out waiting, 4 cannot connect.\n"
				"Every flag --nats... is also an environment variable "
				"ZEDBUS_NATS..., NATS_URL the last resort.\n"
				"zedctl VERB --help tells the flags of a verb.\n";

static void help_row(struct buf *out, const char *left, const char *right)
{
	size_t n = strlen(left);

	buf_addf(out, "  %s", left);
	if (n + 2 > HELP_COLUMN) {
		buf_addc(out, '\n');
		n = 0;
		buf_adds(out, "  ");
	}
	buf_addf(out, "%*s%s\n", (int)(HELP_COLUMN - n), "", right);
}

static void help_flag_name(const struct flag *f, char *out, size_t cap)
{
	snprintf(out, cap, "--%s", f->name);
	for (char *p = out; *p; p++) {
		if (*p == '_')
			*p = '-';
	}
}

static void help_flag(struct buf *out, const struct flag *f)
{
	char name[64], left[160];

	help_flag_name(f, name, sizeof name);
	snprintf(left, sizeof left, "%s%s%s%s%s%s", name, f->value[0] ? " " : "",
	    f->value, f->letter ? ", -" : "", f->letter ? (char[2]){f->letter, 0} : "",
	    f->kind == FLAG_MANY ? " ..." : "");
	help_row(out, left, f->sentence);
}

static void help_flags(struct buf *out, const char *verb_id, const char *title)
{
	bool any = false;

	for (size_t i = 0; i < n_flags; i++) {
		if (strcmp(flags[i].verb, verb_id) != 0)
			continue;
		if (!any)
			buf_addf(out, "\n%s\n", title);
		any = true;
		help_flag(out, &flags[i]);
	}
}

void help_all(struct buf *out)
{
	char left[160];

	buf_adds(out, help_head);
	buf_adds(out, "Verbs:\n");
	for (size_t i = 0; i < n_verbs; i++) {
		snprintf(left, sizeof left, "%s %s", verbs[i].words, verbs[i].operands);
		help_row(out, left, verbs[i].sentence);
	}
	help_flags(out, "global", "Flags:");
	buf_adds(out, help_tail);
}

void help_verb(const struct verb *v, struct buf *out)
{
	buf_addf(out, "Usage: zedctl %s%s%s [flags]\n\n%s\n", v->words,
	    v->operands[0] ? " " : "", v->operands, v->sentence);
	for (size_t i = 0; i < n_notes; i++) {
		if (strcmp(notes[i].verb, v->id) == 0)
			buf_addf(out, "%s\n", notes[i].text);
	}
	help_flags(out, v->id, "Flags:");
	help_flags(out, "global", "Flags of every verb:");
}

/* ---- completion */

/* Second words of verbs that begin with @first. */
static void completion_seconds(struct buf *out, const char *first, size_t n)
{
	for (size_t i = 0; i < n_verbs; i++) {
		if (strncmp(verbs[i].words, first, n) == 0 && verbs[i].words[n] == ' ')
			buf_addf(out, " %s", verbs[i].words + n + 1);
	}
}

static bool completion_is_new(size_t i, size_t n)
{
	for (size_t k = 0; k < i; k++) {
		if (strncmp(verbs[k].words, verbs[i].words, n) == 0 &&
		    (verbs[k].words[n] == ' ' || !verbs[k].words[n]))
			return false;
	}
	return true;
}

static void completion_firsts(struct buf *out)
{
	for (size_t i = 0; i < n_verbs; i++) {
		size_t n = strcspn(verbs[i].words, " ");

		if (completion_is_new(i, n))
			buf_addf(out, " %.*s", (int)n, verbs[i].words);
	}
}

static void completion_flags(struct buf *out, const char *verb_id)
{
	char name[64];

	for (size_t i = 0; i < n_flags; i++) {
		if (strcmp(flags[i].verb, verb_id) != 0)
			continue;
		help_flag_name(&flags[i], name, sizeof name);
		buf_addf(out, " %s", name);
	}
}

/* Arguments that are one of several words: "confirm|undo|restore", but not "ID|SESSION". */
static void completion_choices(struct buf *out, const char *operands)
{
	enum { CHOICES_FEWEST = 3 };

	while (*operands) {
		size_t n = strcspn(operands, " "), n_bars = 0;

		for (size_t i = 0; i < n; i++)
			n_bars += operands[i] == '|';
		if (n_bars + 1 >= CHOICES_FEWEST) {
			buf_addc(out, ' ');
			for (size_t i = 0; i < n; i++)
				buf_addc(out, operands[i] == '|' ? ' ' : operands[i]);
		}
		operands += n + strspn(operands + n, " ");
	}
}

/* "session" alone: what may follow. After the whole verbs, which it would hide. */
static void completion_bash_groups(struct buf *out)
{
	for (size_t i = 0; i < n_verbs; i++) {
		size_t n = strcspn(verbs[i].words, " ");

		if (!verbs[i].words[n] || !completion_is_new(i, n))
			continue;
		buf_addf(out, "\t'%.*s '*) words='", (int)n, verbs[i].words);
		completion_seconds(out, verbs[i].words, n);
		buf_adds(out, "' ;;\n");
	}
}

/* One function for bash; zsh runs it through bashcompinit. */
static void completion_bash(struct buf *out)
{
	buf_adds(out,
	    "_zedctl() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} w1='' w2='' w\n"
	    "\tlocal i\n\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	    "\t\tw=${COMP_WORDS[i]}\n\t\t[[ $w == -* ]] && continue\n"
	    "\t\tif [[ -z $w1 ]]; then w1=$w; elif [[ -z $w2 ]]; then w2=$w; fi\n"
	    "\tdone\n\tlocal words=''\n\tcase \"$w1 $w2\" in\n");
	buf_adds(out, "\t' ') words='");
	completion_firsts(out);
	completion_flags(out, "global");
	buf_adds(out, "' ;;\n");
	for (size_t i = 0; i < n_verbs; i++) {
		size_t n = strcspn(verbs[i].words, " ");

		buf_addf(out, "\t'%s'%s) words='", verbs[i].words,
		    verbs[i].words[n] ? "" : "\\ *");
		completion_choices(out, verbs[i].operands);
		completion_flags(out, verbs[i].id);
		completion_flags(out, "global");
		buf_adds(out, "' ;;\n");
	}
	completion_bash_groups(out);
	buf_adds(out,
	    "\tesac\n\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\n"
	    "complete -o default -F _zedctl zedctl\n");
}

static void completion_fish(struct buf *out)
{
	char name[64];

	buf_adds(out, "complete -c zedctl -n __fish_use_subcommand -f -a '");
	completion_firsts(out);
	buf_adds(out, "'\n");
	for (size_t i = 0; i < n_verbs; i++) {
		size_t n = strcspn(verbs[i].words, " ");

		if (verbs[i].words[n] && completion_is_new(i, n)) {
			buf_addf(out,
			    "complete -c zedctl -n '__fish_seen_subcommand_from %.*s' -f "
			    "-a '",
			    (int)n, verbs[i].words);
			completion_seconds(out, verbs[i].words, n);
			buf_adds(out, "'\n");
		}
	}
	for (size_t i = 0; i < n_flags; i++) {
		help_flag_name(&flags[i], name, sizeof name);
		buf_addf(
		    out, "complete -c zedctl -l %s -d '%s'\n", name + 2, flags[i].value);
	}
}

bool completion_print(const char *shell, struct buf *out)
{
	if (strcmp(shell, "zsh") == 0) {
		buf_adds(out, "autoload -U +X bashcompinit && bashcompinit\n");
		completion_bash(out);
	} else if (strcmp(shell, "bash") == 0) {
		completion_bash(out);
	} else if (strcmp(shell, "fish") == 0) {
		completion_fish(out);
	} else {
		return false;
	}
	return true;
}
