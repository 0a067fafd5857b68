/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether a process or a user is the one that is asked for by name. */
#ifndef META_ASKED_H
#define META_ASKED_H

#include "annotation.h"

/* A user of whom the name is asked for. */
struct match_user {
	const char *name;
	bool known; /* here, with this number */
	uint32_t uid;
	char *usual; /* what users of that number are called, NULL unknown */
};

/*
 * Its name, that of its executable, or what it calls itself. Of names of which all that is known is what the kernel keeps,
 * COMM_MAX bytes, so many are compared.
 */
bool asked_name(const struct process_desc *p, const char *name);
/* name: what the packet's machine calls the user, n == 0 unknown. */
bool asked_user(const struct match_user *u, uint32_t uid, struct str name);

#endif
