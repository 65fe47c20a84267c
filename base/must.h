/* Assertions that stay on in release builds, and the few macros every module uses. */
#pragma once

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define MUST_CHECK            __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, arg) __attribute__((format(printf, fmt, arg)))
#define ARRAY_LEN(a)          (sizeof(a) / sizeof((a)[0]))

/**
 * must() - state an invariant of the program itself
 *
 * Never for input: what comes from outside is an outcome, not an assertion. Prints the
 * expression and its place to stderr and aborts; the supervisor restarts the program.
 */
#define must(cond)                                                                       \
	do {                                                                             \
		if (__builtin_expect(!(cond), 0)) {                                      \
			fprintf(stderr, "must failed: %s (%s:%d, %s)\n", #cond,          \
			    __FILE__, __LINE__, ZEDBUS_VERSION);                         \
			abort();                                                         \
		}                                                                        \
	} while (0)

/* The struct that embeds @member at @ptr. */
#define container_of(ptr, type, member)                                                  \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* A local that owns something: AUTO(buf_deinit) struct buf b = BUF_NULL(64); */
#define AUTO(fn) __attribute__((cleanup(fn)))

static inline void free_ptr(void *pp)
{
	free(*(void **)pp);
}
#define AUTO_FREE AUTO(free_ptr)
