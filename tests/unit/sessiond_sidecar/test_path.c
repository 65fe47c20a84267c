#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sessiond/sidecar/path.h"
#include "tests/lib/folder.h"

static struct folder dir;
static struct path_route route;

static int setup(void **state)
{
	(void)state;
	folder_make(&dir);
	assert_int_equal(mkdir(folder_at(&dir, "zed"), 0700), 0);
	assert_int_equal(mkdir(folder_at(&dir, "dot"), 0700), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	folder_remove(&dir);
	return 0;
}

static int resolve(const char *name)
{
	struct err e = ERR_NULL;

	return path_resolve(folder_at(&dir, name), &route, &e);
}

static void link_to(const char *target, const char *name)
{
	assert_int_equal(symlink(target, folder_at(&dir, name)), 0);
}

/* "zed:settings.json dot:s.json", folders relative to the test's. */
static void hops_are(const char *want)
{
	char text[1024] = "";

	for (size_t i = 0; i < route.n_hops; i++) {
		const char *in = route.hops[i].dir;

		assert_int_equal(strncmp(in, dir.path, strlen(dir.path)), 0);
		in += strlen(dir.path);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s:%s",
		    i ? " " : "", in[0] == '/' ? in + 1 : ".", route.hops[i].name);
	}
	assert_string_equal(text, want);
}

static void a_plain_file_is_itself(void **state)
{
	(void)state;
	folder_put(&dir, "zed/settings.json", "{}");
	assert_int_equal(resolve("zed/settings.json"), 0);
	assert_string_equal(route.real, folder_at(&dir, "zed/settings.json"));
	hops_are("zed:settings.json");
}

static void a_missing_file_is_where_it_would_be(void **state)
{
	(void)state;
	assert_int_equal(resolve("zed/./../zed//settings.json"), 0);
	assert_string_equal(route.real, folder_at(&dir, "zed/settings.json"));
}

static void every_symlink_is_a_hop(void **state)
{
	(void)state;
	link_to("../dot/a.json", "zed/settings.json");
	link_to("b.json", "dot/a.json");
	folder_put(&dir, "dot/b.json", "{}");
	assert_int_equal(resolve("zed/settings.json"), 0);
	assert_string_equal(route.real, folder_at(&dir, "dot/b.json"));
	hops_are("zed:settings.json dot:a.json dot:b.json");
}

static void a_symlinked_folder_is_a_hop_too(void **state)
{
	(void)state;
	link_to("dot", "config");
	assert_int_equal(resolve("config/settings.json"), 0);
	assert_string_equal(route.real, folder_at(&dir, "dot/settings.json"));
	hops_are(".:config dot:settings.json");
}

static void a_configuration_volume_is_followed_through_its_data_link(void **state)
{
	(void)state;
	assert_int_equal(mkdir(folder_at(&dir, "zed/..2026"), 0700), 0);
	folder_put(&dir, "zed/..2026/settings.json", "{}");
	link_to("..2026", "zed/..data");
	link_to("..data/settings.json", "zed/settings.json");
	assert_int_equal(resolve("zed/settings.json"), 0);
	hops_are("zed:settings.json zed:..data zed/..2026:settings.json");
}

static void a_dangling_symlink_leads_to_where_the_file_would_be(void **state)
{
	(void)state;
	link_to("../dot/none.json", "zed/settings.json");
	assert_int_equal(resolve("zed/settings.json"), 0);
	assert_string_equal(route.real, folder_at(&dir, "dot/none.json"));
}

static void a_loop_and_a_missing_folder_are_errors(void **state)
{
	(void)state;
	link_to("b", "zed/a");
	link_to("a", "zed/b");
	assert_int_equal(resolve("zed/a"), -ELOOP);
	assert_int_equal(resolve("none/settings.json"), -ENOENT);
	folder_put(&dir, "file", "");
	assert_int_equal(resolve("file/settings.json"), -ENOTDIR);
	assert_int_equal(resolve("zed/.."), -EISDIR);
}

static void routes_are_compared_by_every_hop(void **state)
{
	struct path_route other;

	(void)state;
	assert_int_equal(resolve("zed/settings.json"), 0);
	other = route;
	assert_true(path_same(&route, &other));
	link_to("settings.json", "zed/link");
	assert_int_equal(resolve("zed/link"), 0);
	assert_string_equal(route.real, other.real);
	assert_false(path_same(&route, &other));
}

static void parents_are_made_for_the_owner_alone(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(path_make_parents(folder_at(&dir, "x/y/settings.json")), 0);
	assert_int_equal(stat(folder_at(&dir, "x/y"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(path_make_parents(folder_at(&dir, "x/y/settings.json")), 0);
	folder_put(&dir, "file", "");
	assert_int_equal(path_make_parents(folder_at(&dir, "file/y/z")), -ENOTDIR);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_MAIN(T(a_plain_file_is_itself), T(a_missing_file_is_where_it_would_be),
    T(every_symlink_is_a_hop), T(a_symlinked_folder_is_a_hop_too),
    T(a_configuration_volume_is_followed_through_its_data_link),
    T(a_dangling_symlink_leads_to_where_the_file_would_be),
    T(a_loop_and_a_missing_folder_are_errors), T(routes_are_compared_by_every_hop),
    T(parents_are_made_for_the_owner_alone))
