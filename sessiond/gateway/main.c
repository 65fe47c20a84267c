/* sessiond: the gateway between Zed and those who talk with it. */
#include "sessiond/gateway/program.h"

int main(int argc, char **argv)
{
	return daemon_main(&sessiond_def, argc, argv);
}
