/* SPDX-License-Identifier: BSD-3-Clause */
/* Structures of a BTF file: members lie inside, at an address that suits their type, and not on each other. */
#include <bpf/btf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/kernel_btf_check.h"

/* TYPES_MAX: of structures without a name in one that has; the largest of a kernel have some hundred. */
enum { BYTE = 8, DEEP = 8, TYPES_MAX = 4096 };

/* What the programs look into: vmlinux/vmlinux.h. */
static const char *const looked_into[] = {
	"ns_common",
	"net",
	"mnt_namespace",
	"pid_namespace",
	"upid",
	"pid",
	"nsproxy",
	"cred",
	"qstr",
	"dentry",
	"vfsmount",
	"mount",
	"path",
	"file",
	"mm_struct",
	"kernfs_node",
	"cgroup",
	"css_set",
	"sock_common",
	"signal_struct",
	"task_struct",
	"thread_info",
	"sock",
	"sock_reuseport",
	"net_device",
	"sk_buff",
	"nf_conn",
	"nf_conntrack_tuple",
	"nf_conntrack_man",
	"nf_conntrack_tuple_hash",
};

/* Bits from the start of the structure. */
struct extent {
	uint64_t from, to;
	const char *name;
};

struct layout {
	const struct btf *btf;
	const char *name; /* of the structure */
	struct extent *all;
	size_t n;
	char *why;
};

static int wrong(const struct layout *l, const char *member, const char *how)
{
	snprintf(l->why, KERNEL_BTF_WHY, "in struct %.64s, %.64s %s", l->name, *member ? member : "a member", how);
	return -EINVAL;
}

/* NULL of libbpf: the file has none there. */
static const char *name_of(const struct btf *btf, uint32_t offset)
{
	const char *name = btf__name_by_offset(btf, offset);

	return name ? name : "";
}

static const struct btf_type *plain_type(const struct btf *btf, uint32_t id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	for (int i = 0; t && i < DEEP && (btf_is_mod(t) || btf_is_typedef(t)); i++)
		t = btf__type_by_id(btf, t->type);
	return t;
}

static int take_member(struct layout *l, const struct btf_type *t, uint32_t i)
{
	const struct btf_member *m = btf_members(t) + i;
	const uint32_t from = btf_member_bit_offset(t, i), bits = btf_member_bitfield_size(t, i);
	const char *name = name_of(l->btf, m->name_off);
	const struct btf_type *type = plain_type(l->btf, m->type);
	const int64_t size = btf__resolve_size(l->btf, m->type);
	struct extent *e = &l->all[l->n];

	if (!type || size < 0)
		return wrong(l, name, "has no type");
	if (!bits && from % BYTE)
		return wrong(l, name, "does not begin with a byte");
	if (btf_is_union(t) && from)
		return wrong(l, name, "is not at the start of its union");
	*e = (struct extent){ from, from + (bits ? bits : (uint64_t)size * BYTE), name };
	if (e->to > (uint64_t)t->size * BYTE)
		return wrong(l, name, "lies outside");
	if (!bits && btf_is_ptr(type) && from % (sizeof(void *) * BYTE))
		return wrong(l, name, "is a pointer at an odd place");
	l->n += e->to > e->from;
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

static int check_type(const struct btf *btf, const struct btf_type *t, const char *name, int depth, unsigned *left,
		      char *why)
{
	const uint32_t n = btf_vlen(t);
	struct layout l = { .btf = btf, .name = name, .all = calloc(n + 1, sizeof(*l.all)), .why = why };
	int err = l.all ? 0 : -ENOMEM;

	if (!err && !(*left)--)
		err = wrong(&l, "", "is nested without end");
	for (uint32_t i = 0; !err && i < n; i++)
		err = take_member(&l, t, i);
	if (!err && btf_is_struct(t)) {
		qsort(l.all, l.n, sizeof(*l.all), by_place);
		for (size_t i = 1; !err && i < l.n; i++)
			err = l.all[i].from < l.all[i - 1].to ? wrong(&l, l.all[i].name, "lies on another member") : 0;
	}
	free(l.all);
	/* Structures in between that have no name, and those of others that have. */
	for (uint32_t i = 0; !err && depth < DEEP && i < n; i++) {
		const struct btf_type *inner = plain_type(btf, btf_members(t)[i].type);

		if (btf_is_composite(inner) && !inner->name_off)
			err = check_type(btf, inner, name, depth + 1, left, why);
	}
	return err;
}

static bool is_looked_into(const char *name)
{
	for (size_t i = 0; i < sizeof(looked_into) / sizeof(looked_into[0]); i++) {
		if (strcmp(looked_into[i], name) == 0)
			return true;
	}
	return false;
}

int kernel_btf_layout(const struct btf *btf, char why[KERNEL_BTF_WHY])
{
	const uint32_t n = btf__type_cnt(btf);
	int err = 0;

	for (uint32_t i = 1; !err && i < n; i++) {
		const struct btf_type *t = btf__type_by_id(btf, i);
		const char *name = btf_is_struct(t) ? name_of(btf, t->name_off) : "";
		unsigned left = TYPES_MAX;

		if (is_looked_into(name))
			err = check_type(btf, t, name, 0, &left, why);
	}
	return err;
}
