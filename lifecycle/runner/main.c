/* zed-runner: starts, supervises and stops the instances assigned to one host. */
#include "lifecycle/runner/runner.h"

int main(int argc, char **argv)
{
	return runner_main(argc, argv);
}
