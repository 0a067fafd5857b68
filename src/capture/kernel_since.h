/* SPDX-License-Identifier: BSD-3-Clause */
/* Of kernel.c: the version of the kernel, and what came before Linux 5.10, the oldest that tests run on. */
#ifndef CAPTURE_KERNEL_SINCE_H
#define CAPTURE_KERNEL_SINCE_H

#include <stdbool.h>

/* The version says so; distributions have taken some of a newer kernel into older ones. */
bool kernel_since(unsigned major, unsigned minor);

/* Answered without a try by a version that has it, since each try takes a millisecond. */
bool kernel_ringbuf_there(void);
bool kernel_packet_task_there(void);
bool kernel_create_storage_there(void);
bool kernel_links_there(void);
bool kernel_globals_there(void);
bool kernel_mmap_there(void);
bool kernel_programs_there(void);

#endif
