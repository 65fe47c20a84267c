/* Configuration from one table: each row is a flag, an environment variable and a key of
 * the JSON config file, and gives help and the printed reference. Precedence: flag,
 * environment, alias environment, file, default. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

enum conf_type {
	CONF_STR,  /* char *: owned, NULL when unset */
	CONF_INT,  /* int64_t, min..max */
	CONF_BOOL, /* bool; the flag alone means true */
	CONF_LIST, /* struct conf_list: the flag may be repeated; in environment separated
		      by commas; in the file an array */
	CONF_ENUM, /* char *, one of the words in @choices separated by '|' */
};

enum {
	CONF_F_RELOAD = 1, /* re-read at SIGHUP */
	CONF_F_SECRET = 2, /* printed as *** */
	CONF_F_HIDDEN = 4, /* not in --help */
};

struct conf_list {
	char **items; /* owned */
	size_t n;
};

struct conf_row {
	const char *name; /* slow_start: --slow-start and ZEDBUS_SLOW_START */
	enum conf_type type;
	const char *dflt; /* text form, "" for none */
	int64_t min, max; /* CONF_INT */
	unsigned flags;
	const char *alias_env; /* NULL, or names of lower rank, separated by spaces */
	const char *choices;   /* CONF_ENUM: "a|b|c"; else the value's name: "FILE" */
	const char *help;      /* one sentence */
	size_t offset;         /* in the program's config struct */
};

/* clang-format off */
/*
 * A program lists its settings once, as rows of config.tbl.h:
 *
 *	CONF(name, TYPE, dflt, min, max, flags, alias_env, choices, help)
 *
 * and makes of them its struct and its table:
 *
 *	struct x_conf {
 *	#define CONF CONF_FIELD
 *	#include "x/config.tbl.h"
 *	#undef CONF
 *	};
 *	static const struct conf_row rows[] = {
 *	#define CONF(...) CONF_ROW(struct x_conf, __VA_ARGS__)
 *	#include "x/config.tbl.h"
 *	#undef CONF
 *	};
 */
/* clang-format on */
#define CONF_FIELD(name, type, ...) CONF_FIELD_##type(name)
#define CONF_FIELD_STR(name)        char *name;
#define CONF_FIELD_ENUM(name)       char *name;
#define CONF_FIELD_INT(name)        int64_t name;
#define CONF_FIELD_BOOL(name)       bool name;
#define CONF_FIELD_LIST(name)       struct conf_list name;
#define CONF_ROW(st, fname, ftype, fdflt, fmin, fmax, fflags, falias, fchoices, fhelp)   \
	{.name = #fname,                                                                 \
	    .type = CONF_##ftype,                                                        \
	    .dflt = fdflt,                                                               \
	    .min = fmin,                                                                 \
	    .max = fmax,                                                                 \
	    .flags = fflags,                                                             \
	    .alias_env = falias,                                                         \
	    .choices = fchoices,                                                         \
	    .help = fhelp,                                                               \
	    .offset = offsetof(st, fname)},

struct conf_spec {
	const char *program;
	const char *summary; /* one sentence for --help */
	const struct conf_row *rows;
	size_t n_rows;
	const char *positional; /* NULL: arguments that are no flags are refused; else
				   what stands in the usage line */
};

enum conf_outcome {
	CONF_OK = 0,
	CONF_HELP,    /* --help was given: print conf_help and exit 0 */
	CONF_VERSION, /* --version */
	CONF_PRINT,   /* --print WHAT: *print_out names it */
	CONF_BAD,     /* @e is the one line for stderr; exit 2 */
};

/**
 * conf_load() - fill @conf (zeroed struct) from every source
 * @envp:      NULL-terminated, as environ
 * @print_out: set to the argument of --print when CONF_PRINT; borrowed from @argv
 * @args_out:  NULL, or receives the positional arguments (borrowed from @argv; the items
 *             array is owned: free())
 *
 * `--config FILE` (or ZEDBUS_CONFIG), `--help`, `--version` and `--print WHAT` are built
 * in. Forms: `--flag value`, `--flag=value`, `--bool`, `--bool=false`, `--no-bool`; `--`
 * ends the flags. Empty variables and null members count as not given. Unknown flags,
 * unknown keys in the file, values out of range: CONF_BAD, @e names setting, value and
 * source. On any return @conf is freed with conf_free.
 */
enum conf_outcome conf_load(const struct conf_spec *spec, int argc, char **argv,
    char **envp, void *conf, const char **print_out, struct conf_list *args_out,
    struct err *e);
/* What conf_load() does with the file's text; @from names it in errors. Return: 0,
 * ERROR_INVALID, -ENOMEM. */
int conf_apply_json(const struct conf_spec *spec, void *conf, const char *text, size_t n,
    const char *from, struct err *e) MUST_CHECK;
void conf_free(const struct conf_spec *spec, void *conf);
/* Names (space separated) of rows without CONF_F_RELOAD whose values differ; swaps the
 * reloadable ones with @fresh, which the caller frees. */
void conf_reload(
    const struct conf_spec *spec, void *conf, void *fresh, struct buf *not_applied);
void conf_help(const struct conf_spec *spec, struct buf *out);
/* The reference table in Markdown, from which docs/config.md is made. */
void conf_print(const struct conf_spec *spec, struct buf *out);
