/* Both ways of a setting, with what the daemon itself says of their stages.
 *
 * Several desks take turns: the daemon lets a user's saves up ten times a second, and a
 * save shall be measured alone. */
#include "tests/bench/e2e/desk.h"
#include "tests/bench/e2e/floors.h"
#include "tests/bench/e2e/footprint.h"
#include "tests/bench/e2e/paths.h"
#include "tests/bench/e2e/stages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	DESKS = 5,
	WARM_UP = 20,
	TURN_MS = 125, /* until a desk's next: more than a daemon's slot for an upload */
	WAY_LIMIT_US = 10 * 1000,
	N_STARTS = 40,
};

struct ways {
	struct samples sent_to_disk, answered_to_disk;
	struct samples in_place, by_rename;
};

/* server -> file */

static void one_put(struct desk *d, size_t no, struct ways *out)
{
	int64_t sent_us, answered_us;

	snprintf(d->wanted, sizeof(d->wanted), "mark-%zu-", no);
	d->arrived = false;
	sent_us = clock_mono_us();
	desk_put(d, d->wanted);
	answered_us = clock_mono_us();
	rig_await(d->r, &d->arrived, "the setting on disk");
	d->wanted[0] = '\0';
	samples_add(&out->sent_to_disk, d->arrived_us - sent_us);
	samples_add(&out->answered_to_disk,
	    d->arrived_us > answered_us ? d->arrived_us - answered_us : 0);
}

/* file -> server */

/* The file as it is, with a setting of the user's own in it. */
static size_t user_text(const struct desk *d, size_t no, char *out, size_t n_out)
{
	static const char key[] = ",\n  \"user_mark\"";
	int fd = open(d->settings, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, n_out - 1);
	char *end;

	if (n < 0)
		rig_die("%s: %m", d->settings);
	close(fd);
	out[n] = '\0';
	end = strstr(out, key);
	if (!end)
		end = strstr(out, "\n}\n");
	if (!end || (size_t)(end - out) + 64 > n_out)
		rig_die("%s: not as expected", d->settings);
	n = end - out;
	n += snprintf(end, n_out - (size_t)n, "%s: \"mark-%zu-\"\n}\n", key, no);
	return (size_t)n;
}

static int write_text(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, n) != (ssize_t)n)
		rig_die("%s: %m", path);
	return fd;
}

/* The moment before the call that completes the save. */
static int64_t save_in_place(const struct desk *d, const char *text, size_t n)
{
	int fd = write_text(d->settings, text, n);
	int64_t at_us = clock_mono_us();

	close(fd);
	return at_us;
}

static int64_t save_by_rename(const struct desk *d, const char *text, size_t n)
{
	char path[128];
	int64_t at_us;

	snprintf(path, sizeof(path), "%s/.settings.tmp", d->folder);
	close(write_text(path, text, n));
	at_us = clock_mono_us();
	if (rename(path, d->settings))
		rig_die("%s: %m", path);
	return at_us;
}

static void one_save(struct desk *d, size_t no,
    int64_t (*save)(const struct desk *, const char *, size_t), struct samples *out)
{
	char text[32 * 1024];
	size_t n = user_text(d, no, text, sizeof(text));
	int64_t at_us;

	d->uploaded = false;
	at_us = save(d, text, n);
	rig_await(d->r, &d->uploaded, "the server's word about a save");
	samples_add(out, d->uploaded_us - at_us);
}

/* all of it */

/* Each way once, and the floors beside: in the same milliseconds, as far as that goes. */
static void measure(struct rig *r, struct desk *desks, unsigned n_desks, size_t n,
    struct ways *out, struct floors *f)
{
	int64_t pace_ms = (int64_t)TURN_MS / n_desks;
	size_t no = 0;

	out->sent_to_disk.n = out->answered_to_disk.n = 0;
	out->in_place.n = out->by_rename.n = 0;
	for (size_t i = 0; i < n; i++) {
		one_put(&desks[i % n_desks], no++, out);
		rig_pace(r, pace_ms);
		floors_sample(f);
	}
	for (size_t i = 0; i < n; i++) {
		one_save(&desks[i % n_desks], no++, save_in_place, &out->in_place);
		rig_pace(r, pace_ms);
		floors_sample(f);
	}
	for (size_t i = 0; i < n; i++) {
		one_save(&desks[i % n_desks], no++, save_by_rename, &out->by_rename);
		rig_pace(r, pace_ms);
		floors_sample(f);
	}
}

static void print_ways(struct ways *w)
{
	samples_print_list_header("both ways of a setting");
	samples_print_list_row("PUT sent -> on disk", &w->sent_to_disk, WAY_LIMIT_US);
	samples_print_list_row(
	    "PUT answered -> on disk", &w->answered_to_disk, WAY_LIMIT_US);
	samples_print_list_row("save in place -> acknowledged", &w->in_place, WAY_LIMIT_US);
	samples_print_list_row("save by rename -> acknowledged", &w->by_rename, WAY_LIMIT_US);
}

/* What a way is made of, at the cost its parts have alone. To the disk: the PUT, document
 * and revision stored, the revision fed back with half a trip and pushed with another; the
 * GET, the revision read; the note, the writing seen. To the server: the save seen, the
 * record; the POST, document and revision stored. */
static void print_budget(const char *way, struct floors *f, struct samples *measured,
    unsigned n_http, unsigned n_store)
{
	int64_t sum[2];
	static const unsigned pct[2] = {50, 99};

	for (size_t i = 0; i < 2; i++)
		sum[i] = n_http * samples_percentile(&f->http, pct[i]) +
			 n_store * samples_percentile(&f->store, pct[i]) +
			 samples_percentile(&f->sync, pct[i]) +
			 samples_percentile(&f->wake, pct[i]);
	printf("%-33s %u x HTTP + %u x broker + 1 x disk + 1 x watch %8lld %8lld   measured "
	       "%8lld %8lld\n",
	    way, n_http, n_store, (long long)sum[0], (long long)sum[1],
	    (long long)samples_percentile(measured, 50),
	    (long long)samples_percentile(measured, 99));
}

static void print_budgets(struct floors *f, struct ways *w)
{
	printf("\n%-33s %-50s %8s %8s %17s %8s\n", "budget by hops", "made of", "p50 us",
	    "p99 us", "p50 us", "p99 us");
	print_budget("PUT sent -> on disk", f, &w->sent_to_disk, 2, 3);
	print_budget("save -> acknowledged", f, &w->in_place, 1, 2);
}

void bench_settings(struct rig *r, size_t n)
{
	static struct desk desks[DESKS];
	static struct ways ways;
	static struct floors floors;
	struct stages before, after;

	for (unsigned i = 0; i < DESKS; i++)
		desk_init(&desks[i], r, i);
	/* Memory while there is one: what several map counts for none of them. */
	desk_start(&desks[0]);
	floors_begin(r, &floors);
	measure(r, desks, 1, WARM_UP, &ways, &floors);
	footprint_print(&desks[0]);
	for (unsigned i = 1; i < DESKS; i++)
		desk_start(&desks[i]);
	measure(r, desks, DESKS, WARM_UP, &ways, &floors);
	floors_end(&floors);
	floors_begin(r, &floors);
	stages_read(&desks[0], &before);
	measure(r, desks, DESKS, n, &ways, &floors);
	floors_end(&floors);
	stages_read(&desks[0], &after);
	floors_print(&floors);
	print_ways(&ways);
	print_budgets(&floors, &ways);
	stages_print(&before, &after);
	for (unsigned i = 0; i < DESKS; i++)
		desk_stop_listening(&desks[i]);
	starts_print(&desks[0], N_STARTS);
}
