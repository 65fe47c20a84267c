/* Commands from the stream: deliveries, and messages read out of it. */
#pragma once

#include "lifecycle/control/desk.h"

/* Subscribe to the consumer's deliveries. */
int commands_subscribe(struct control *c, struct err *e) MUST_CHECK;
/* The command in a message read from LIFECYCLE_CMD; one that cannot be understood is a
 * refused job. NULL if its subject names no instance. */
struct job *commands_read_job(const struct store_result *r);
/* A job for the command that was just stored. Takes @cmd, which is checked. */
struct job *commands_new_job(
    struct command *cmd, uint64_t seq, int64_t published_unix_ms);
