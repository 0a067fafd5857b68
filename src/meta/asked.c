/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/asked.h"

#include <string.h>

static bool equal(struct str s, const char *text)
{
	return s.p && str_eq(s, str_of(text));
}

/* A name given on the command line may be longer than the kernel keeps. */
static bool equal_comm(struct str comm, const char *name)
{
	return equal(comm, name) || (comm.n == COMM_MAX && strncmp(name, comm.p, COMM_MAX) == 0);
}

/* Whether all that is known of the name is what the kernel keeps. */
static bool name_is_cut(const struct process_desc *p, struct str name, struct str program)
{
	return name.n == COMM_MAX && (p->cmd.n == name.n || !str_eq(name, program));
}

bool asked_name(const struct process_desc *p, const char *asked)
{
	const struct str program = process_desc_program(p), name = process_desc_name(p), comm = process_desc_comm(p);

	if (equal(name, asked) || equal(program, asked) || equal(comm, asked))
		return true;
	return (name_is_cut(p, name, program) && equal_comm(name, asked)) || (p->comm.n && equal_comm(comm, asked));
}

bool asked_user(const struct match_user *u, uint32_t uid, struct str name)
{
	if (!name.n)
		return u->known && u->uid == uid;
	return equal(name, u->name) || (u->usual && equal(name, u->usual));
}
