/* `settings-sync-daemon plan`: one sync step, offline and without side effects. */
#pragma once

/* @argv[0] is "plan". Returns the exit code. */
int plan_main(int argc, char **argv);
