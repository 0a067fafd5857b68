/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/name.h"

#include <limits.h>

#include "annotation.h"

enum {
	ARGS_LOOKED_AT = 5, /* "#!": interpreter, its argument, script; a script may be the interpreter of another */
};

static struct str base_name(struct str path)
{
	const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;

	return slash ? (struct str){ slash + 1, path.n - (uint32_t)(slash + 1 - path.p) } : path;
}

/* Equal, or what the kernel cut is its beginning. */
static bool completes(struct str comm, struct str candidate)
{
	if (candidate.n > NAME_MAX || candidate.n < comm.n || memcmp(candidate.p, comm.p, comm.n) != 0)
		return false;
	return candidate.n == comm.n || comm.n == COMM_MAX;
}

static struct str next_arg(struct str *args)
{
	const char *end = args->n ? memchr(args->p, '\0', args->n) : NULL;
	const struct str arg = { args->p, end ? (uint32_t)(end - args->p) : args->n };
	const uint32_t used = arg.n + (end ? 1 : 0);

	args->p += used;
	args->n -= used;
	return arg;
}

/* Programs that show their state there put it behind their path: "/usr/bin/redis-server 127.0.0.1:6379". */
static struct str first_word(struct str arg)
{
	const char *blank = arg.n ? memchr(arg.p, ' ', arg.n) : NULL;

	return blank ? (struct str){ arg.p, (uint32_t)(blank - arg.p) } : arg;
}

/* The full name that comm is of; p == NULL: nothing bears it out. */
static struct str find_full(const struct name_facts *f, struct str comm)
{
	struct str args = f->args, candidate = base_name(f->exe);

	if (!comm.n)
		return (struct str){ 0 };
	if (completes(comm, candidate))
		return candidate;
	for (unsigned i = 0; i < ARGS_LOOKED_AT && args.n; i++) {
		const struct str arg = next_arg(&args);

		candidate = base_name(arg);
		if (completes(comm, candidate))
			return candidate;
		candidate = base_name(first_word(arg));
		if (completes(comm, candidate))
			return candidate;
	}
	return (struct str){ 0 };
}

/* What execve() makes of a descriptor's number, and of /proc/self/exe. */
static bool names_a_descriptor(struct str comm)
{
	return strspn(comm.p, "0123456789") == comm.n || str_eq(comm, str_of("exe"));
}

struct str name_at_exec(const struct name_facts *f)
{
	const struct str comm = str_of(f->comm), program = base_name(f->exe), full = find_full(f, comm);

	if (program.n && names_a_descriptor(comm))
		return program;
	return full.p ? full : comm;
}

struct str name_later(const struct name_facts *f)
{
	const struct str comm = str_of(f->comm), program = base_name(f->exe), full = find_full(f, comm);

	if (program.n && names_a_descriptor(comm))
		return program;
	if (full.p)
		return full;
	return program.n ? program : comm;
}
