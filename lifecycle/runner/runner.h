/* zed-runner: the daemon struct. Holds instances by key, offers profiles, keeps slots;
 * what it tells and hears over the broker is agent.h. */
#pragma once

#include "base/io/daemon.h"
#include "base/io/service.h"
#include "base/list.h"
#include "base/map.h"
#include "lifecycle/core/assignment.h"
#include "lifecycle/runner/account.h"
#include "lifecycle/runner/limits.h"
#include "lifecycle/runner/profiles.h"
#include "lifecycle/runner/sessions.h"
#include "lifecycle/runner/shim_link.h"

#include <limits.h>

struct agent;
struct workload;

struct runner_conf {
	struct daemon_conf d;
#define CONF CONF_FIELD
#include "lifecycle/runner/config.tbl.h"
#undef CONF
};

struct runner {
	struct daemon *daemon;
	struct loop *loop;
	struct store *store;
	struct bus *bus;
	struct fetch *fetch;
	struct sessions *sessions;
	struct agent *agent;
	struct service *service; /* $SRV discovery */
	const struct runner_conf *conf;
	struct id id, boot_id;
	uint64_t epoch;
	bool drain_on_term, draining;
	bool leaving; /* everything is being let go */

	/* host */
	char state_dir[PATH_MAX]; /* absolute */
	int state_lock_fd, instances_dir_fd, locks_dir_fd;
	char shim_path[PATH_MAX];
	char session_url[256]; /* sessiond, without a trailing slash */
	char helix_url[256];   /* its host:port */
	bool helix_tls;
	struct uid_range uids;
	struct limits limits;
	struct profiles_env profiles_env;
	struct profiles profiles;
	struct strmap labels;
	struct shim_children shims;

	struct list workloads; /* struct workload.link */
	struct map *by_key;    /* struct workload by tenant.instance */
	uint64_t last_serial;
	int64_t change_due_ms; /* of change_timer; 0: not armed */
	struct loop_timer *change_timer;
	struct loop_timer *exit_timer; /* draining: how long reports are waited for */
};

/* main() is runner_main. */
int runner_main(int argc, char **argv);

struct workload *runner_find(struct runner *r, const char *key);
/* Instances that have not ended, and those of them still starting. */
size_t runner_n_live(const struct runner *r);
size_t runner_n_starting(const struct runner *r);
/* A port nobody listens on now and no instance of ours was given; 0 if none was found. */
uint16_t runner_free_port(struct runner *r);
bool runner_port_is_free(uint16_t port);
/* A uid of the range that no instance folder has; 0 if all are taken. */
uid_t runner_free_uid(struct runner *r);
/* What the host cannot do, and profiles that cannot be run: owned strings. */
void runner_degraded(const struct runner *r, char ***out, size_t *n_out);
/* An instance ended, was forgotten or adopted: counts, drain, exit. */
void runner_on_change(struct runner *r);
/* Compare everything again after @delay_ms at the latest. */
void runner_look_again(struct runner *r, int64_t delay_ms);

/* host.c: what is set up before anything runs. 0; ERROR_INVALID (exit 2); -errno (exit 1)
 */
int runner_host_init(struct runner *r, struct err *e) MUST_CHECK;
void runner_host_deinit(struct runner *r);
/* Every folder of an instance that an earlier run left: made into workloads and adopted.
 */
void runner_adopt_all(struct runner *r);
