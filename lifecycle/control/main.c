/* lifecycled: the control service of the lifecycle plane. */
#include "lifecycle/control/control.h"

int main(int argc, char **argv)
{
	return daemon_main(&control_def, argc, argv);
}
