/* settings-sync-daemon: beside each Zed, its settings.json and the settings server in
 * step. */
#include <string.h>

#include "sessiond/sidecar/plan_cmd.h"
#include "sessiond/sidecar/sidecar.h"

int main(int argc, char **argv)
{
	struct daemon_def def;

	if (argc > 1 && strcmp(argv[1], "plan") == 0)
		return plan_main(argc - 1, argv + 1);
	def = sidecar_daemon_def();
	return daemon_main(&def, argc, argv);
}
