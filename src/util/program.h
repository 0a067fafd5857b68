/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_PROGRAM_H
#define UTIL_PROGRAM_H

/* 0 when execvp() would find an executable file of this name; -ENOENT, or -EACCES when there is only one that may not be
 * executed. */
int program_find(const char *name);

#endif
