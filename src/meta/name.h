/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process is called: what it was started as. The rule is told in docs/attribution.md. */
#ifndef META_NAME_H
#define META_NAME_H

#include "util/str.h"

/* What tells the name. */
struct name_facts {
	const char *comm; /* NUL-terminated, at most EVENT_COMM_LEN with it */
	struct str exe;	  /* path of the executable, n == 0 unknown */
	struct str args;  /* a NUL behind each; the last one may lack it */
};

/* comm is what execve() gave. The result borrows from f, and is never empty unless all is. */
struct str name_at_exec(const struct name_facts *f);
/* comm may be another since: only what the other facts bear out is believed. */
struct str name_later(const struct name_facts *f);

#endif
