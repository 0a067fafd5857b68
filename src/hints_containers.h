/* SPDX-License-Identifier: BSD-3-Clause */
/* With -r: which containers the files have, for somebody who asks for others. */
#ifndef HINTS_CONTAINERS_H
#define HINTS_CONTAINERS_H

#include "meta/match.h"
#include "options.h"

struct seen_containers;

/* o is borrowed. NULL: no memory. */
struct seen_containers *seen_containers_new(const struct options *o);
/* Both ends of a packet. file: its number, since each numbers its annotations by itself. match: tells what is asked for. */
void seen_containers_add(struct seen_containers *s, const struct annotation *a, size_t file, const struct match *match);
/* Warnings: that none was wanted, and which there are; for each value of the options that none has, which are like it. */
void seen_containers_warn(const struct seen_containers *s, const char *file);
void seen_containers_free(struct seen_containers *s);

#endif
