/* SPDX-License-Identifier: BSD-3-Clause */
/* The texts that execve() sets: shared by all who forked since. */
#ifndef META_IMAGE_H
#define META_IMAGE_H

#include <stdbool.h>

#include "meta/process.h"

struct image;

/* Copies the texts; args still has a NUL after each argument. NULL: no memory. */
struct image *image_new(struct str cmd, bool cmd_cut, struct str args, bool args_cut, struct str name);
/* What /proc tells of p, whose start and comm are known; tick: procfs_tick_ns(). NULL: nothing, or no memory. */
struct image *image_read(const struct process *p, uint64_t tick);
/* Another reference, to be given up by image_put(); both take NULL. */
struct image *image_get(struct image *image);
void image_put(struct image *image);
/* Lets p borrow the texts; what is missing, and NULL has none, its comm stands for. */
void image_texts(struct process *p, const struct image *image);
struct process_desc process_describe(const struct process *p);

#endif
