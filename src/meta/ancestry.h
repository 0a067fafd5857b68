/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The processes that a process comes from, as one text: "bash.834381,sshd.900,systemd.1", the parent first. A process is
 * NAME.PID, where its executable or comm are called otherwise NAME/EXECUTABLE.PID or NAME/EXECUTABLE/COMM.PID, either of
 * them empty when it says nothing new. Of names, '%', ',' and '/' are written %XX.
 */
#ifndef META_ANCESTRY_H
#define META_ANCESTRY_H

#include "annotation.h"

enum {
	ANCESTRY_MAX = 512,	   /* bytes; the farthest are left out */
	ANCESTRY_GENERATIONS = 32, /* that are looked for */
};

struct ancestor {
	struct process_desc desc; /* borrows from text */
	char text[ANCESTRY_MAX];
};

/* That of a child of parent, whose own is above. For free(). */
char *ancestry_new(const struct process_desc *parent, struct str above);
/* Takes the first one off *ancestry. False: there is none that can be read. */
bool ancestry_next(struct str *ancestry, struct ancestor *ret);

#endif
