/* base/conf.c on settings files: taken values are within their rows, anything else is one
 * line that names the source and never shows the value of a secret row. */
#include "base/conf.h"

#define ROWS                                                                             \
	CONF(listen, STR, "", 0, 0, 0, NULL, NULL, "Text.")                              \
	CONF(slots, INT, "4", 1, 100, 0, NULL, NULL, "Number.")                          \
	CONF(drain, BOOL, "", 0, 0, 0, NULL, NULL, "Truth.")                             \
	CONF(nats, LIST, "", 0, 0, 0, NULL, NULL, "List.")                               \
	CONF(log_format, ENUM, "json", 0, 0, 0, NULL, "text|json", "Word.")              \
	CONF(key, INT, "0", 0, 9, CONF_F_SECRET, NULL, NULL, "Secret.")

struct fuzz_conf {
#define CONF CONF_FIELD
	ROWS
#undef CONF
};

static const struct conf_row rows[] = {
#define CONF(...) CONF_ROW(struct fuzz_conf, __VA_ARGS__)
    ROWS
#undef CONF
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct conf_spec spec = {
	    .program = "fuzz", .summary = "", .rows = rows, .n_rows = ARRAY_LEN(rows)};
	struct fuzz_conf conf = {.slots = 4};
	struct err e = ERR_NULL;
	int r = conf_apply_json(&spec, &conf, (const char *)data, n, "SOURCE", &e);

	if (r) {
		must(r == ERROR_INVALID && strstr(e.text, "SOURCE") &&
		     !strchr(e.text, '\n'));
		must(strncmp(e.text, "key: '", 6) != 0 ||
		     strstr(e.text, "no such setting") ||
		     strncmp(e.text, "key: '***'", 10) == 0);
	}
	must(conf.slots >= 1 && conf.slots <= 100 && conf.key >= 0 && conf.key <= 9);
	must(!conf.log_format || strcmp(conf.log_format, "text") == 0 ||
	     strcmp(conf.log_format, "json") == 0);
	conf_free(&spec, &conf);
	must(!conf.listen && !conf.nats.items);
	return 0;
}
