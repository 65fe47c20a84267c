/* A real nats-server with JetStream for one test: its own free port, its own store
 * folder, killed and restarted at will, gone with the test. Whatever cannot be made
 * aborts the test program; the server dies with it. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct nats_fixture {
	char dir[64]; /* configuration, store, log */
	uint16_t port;
	pid_t pid; /* 0 while it does not run */
	char url[64];
};

/* A folder and a port, nothing running yet. @config: further lines of the server's
 * configuration file, or NULL. */
void nats_fixture_init(struct nats_fixture *f, const char *config);
/* Returns when the server has greeted a connection: JetStream has recovered its store. */
void nats_fixture_start(struct nats_fixture *f);
/* Other configuration lines for the next start. */
void nats_fixture_configure(struct nats_fixture *f, const char *config);
void nats_fixture_kill(struct nats_fixture *f); /* SIGKILL, reaped */
void nats_fixture_stop(struct nats_fixture *f); /* SIGTERM, reaped */
void nats_fixture_freeze(struct nats_fixture *f); /* SIGSTOP, and it has stopped */
void nats_fixture_thaw(struct nats_fixture *f);
/* Forget everything JetStream stored; not while running. */
void nats_fixture_wipe(struct nats_fixture *f);
/* Kill it if it runs and remove the folder. */
void nats_fixture_deinit(struct nats_fixture *f);
