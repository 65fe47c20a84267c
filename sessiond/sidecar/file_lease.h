/* A write lease: nobody else has the file open, and who opens it waits until the lease is
 * let go. Taken for well under a millisecond. */
#pragma once

/* Once, before the first lease in any thread: the kernel's notice that someone waits for
 * a leased file would otherwise end the process. */
void file_lease_init(void);

/**
 * file_lease_take() - wait for a moment in which nobody else has the file open
 * @fd: open for writing, the only descriptor of this process on the file
 *
 * Waits 20 ms for somebody who just holds it, and up to 250 ms as long as readers come
 * and go: a moment between two of them will be found.
 *
 * Return: 0; EAGAIN: somebody has it open; another errno: no leases on this file system
 */
int file_lease_take(int fd);
/* One try, no waiting. */
int file_lease_try(int fd);
void file_lease_drop(int fd);
