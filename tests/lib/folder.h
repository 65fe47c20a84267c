/* A folder of a test's own, and files in it. Whatever fails aborts. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	FOLDER_PATH_MAX = 512,
};

struct folder {
	char path[FOLDER_PATH_MAX];
};

void folder_make(struct folder *f);
/* The same beside the test's program: on the file system of the build. */
void folder_make_built(struct folder *f);
/* The same on tmpfs; false if there is none here. */
bool folder_make_tmpfs(struct folder *f);
void folder_remove(struct folder *f); /* with all that is in it */
/* A name in it; one of a few buffers, good until the next few calls. */
const char *folder_at(const struct folder *f, const char *name);

void folder_put(const struct folder *f, const char *name, const char *text);
void folder_put_by_rename(const struct folder *f, const char *name, const char *text);
/* The text, owned: free(). NULL if there is no such file. */
char *folder_get(const struct folder *f, const char *name);
bool folder_says(const struct folder *f, const char *name, const char *text);
ino_t folder_inode(const struct folder *f, const char *name); /* 0: no such file */
