/* SPDX-License-Identifier: BSD-3-Clause */
/* -L and -J: what an interface can do, in tcpdump's words. */
#ifndef LIST_H
#define LIST_H

#include "options.h"

/* On stdout. 0, or a negative errno with a message written. */
int list_ifaces(const struct options *o);
int list_link_types(const struct options *o);
int list_tstamp_types(const struct options *o);

#endif
