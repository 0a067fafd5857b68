/* SPDX-License-Identifier: BSD-3-Clause */
/* The CPUs of this machine. */
#ifndef UTIL_CPUS_H
#define UTIL_CPUS_H

/* One more than the last number in a list of the kernel's, "0-3,8\n"; 0: it is none. */
unsigned cpus_list_end(const char *list);
/*
 * One more than the number of the last CPU that is present, online or not: what is kept for each by its number needs so many.
 * Of possible ones a virtual machine, to which CPUs can be added, may have hundreds. 0 unknown.
 */
unsigned cpus_end(void);

#endif
