/* SPDX-License-Identifier: BSD-3-Clause */
/* What /proc tells of a process. Everything read there is the process's own word: raw bytes, any of them. */
#ifndef UTIL_PROCFS_H
#define UTIL_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROCFS_COMM_LEN 16

struct procfs_stat {
	char comm[PROCFS_COMM_LEN]; /* NUL-terminated */
	char state;		    /* proc(5): 'Z' is a zombie */
	bool kernel_thread;
	uint32_t parent;
	uint32_t tty;	/* its controlling terminal, as tty_nr of proc(5); 0: none */
	uint64_t start; /* ns, CLOCK_BOOTTIME, rounded down to procfs_tick_ns() */
};

/* Times in /proc are exact to this. */
uint64_t procfs_tick_ns(void);
/* Whether these may be the start of one process, either of them out of /proc. */
bool procfs_same_start(uint64_t tick, uint64_t a, uint64_t b);
/* 0; -ESRCH: no such process; else a negative errno. */
int procfs_stat(uint32_t pid, struct procfs_stat *ret);
/* struct procfs_stat, start; 0: no such process, or only its zombie. */
uint64_t procfs_start(uint32_t pid);
/* Up to size - 1 bytes of /proc/PID/NAME, NUL added. Returns their number or a negative errno. */
int procfs_read(uint32_t pid, const char *name, char *buf, size_t size);
/* Target of the link /proc/PID/NAME, NUL added, cut to fit. Returns its length or a negative errno. */
int procfs_link(uint32_t pid, const char *name, char *buf, size_t size);
/* What the links /proc/PID/fd/N lead to, in the order of N, cut to 63 bytes; of those beyond the first few thousand nothing is
 * told. False from take ends it. Nothing is done to what they lead to. */
void procfs_each_fd(uint32_t pid, bool (*take)(void *arg, const char *target), void *arg);
/* The path of the executable, without the mark of one that was deleted. As procfs_link(). */
int procfs_exe(uint32_t pid, char *buf, size_t size);
/* Its real user, 0 also when unknown. */
uint32_t procfs_uid(uint32_t pid);
/* Inode number of /proc/PID/ns/NAME, with pid 0 of our own; 0 unknown. */
uint32_t procfs_namespace(uint32_t pid, const char *name);
/* s is the name of a process's folder; *ret is its pid. */
bool procfs_is_pid(const char *s, uint32_t *ret);

#endif
