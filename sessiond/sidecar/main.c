/* settings-sync-daemon: beside each Zed, its settings.json and the settings server in
 * step. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "sessiond/sidecar/plan_cmd.h"
#include "sessiond/sidecar/sidecar.h"

/* One of these runs beside every Zed and does little. Its workers take turns; one more
 * looks up names, which may take long. */
static void keep_small(void)
{
	mallopt(M_ARENA_MAX, 1);
	setenv("UV_THREADPOOL_SIZE", "2", 0);
}

int main(int argc, char **argv)
{
	struct daemon_def def;

	keep_small();
	if (argc > 1 && strcmp(argv[1], "plan") == 0)
		return plan_main(argc - 1, argv + 1);
	def = sidecar_daemon_def();
	return daemon_main(&def, argc, argv);
}
