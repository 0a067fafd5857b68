/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The path of an executable, and where it and the rest of an event of exec are put together. */
#ifndef PATH_BPF_H
#define PATH_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <ptcpdump/event.h>
#include <ptcpdump/owner.h>

#define PATH_DEPTH 32	  /* directories of an executable's path; deeper paths are cut at the front */
#define COMPONENT_MAX 255 /* NAME_MAX */

struct path_walk {
	struct dentry *dentry, *root;
	struct mount *mnt;
	__u32 pos; /* where the path starts by now */
	__u32 cut; /* the root was not reached */
};

struct exec_scratch {
	struct path_walk walk;
	/* The path is built from its end; the tail takes what a masked offset and a whole component may reach. */
	char path[EVENT_FILENAME_MAX + COMPONENT_MAX + 1];
	char name[SELECT_NAME_LEN];
	union {
		struct event_exec event;
		__u8 room[EVENT_EXEC_MAX];
	};
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct exec_scratch);
} ptcp_exec_buf SEC(".maps") __weak;

/*
 * One step from a file towards the root of its tree of mounts: a name is put in front of the path, or a mount left.
 * 0: the end. bpf_d_path() is not allowed in tracepoints. A global function, which the verifier checks once and not
 * once per step; on 5.10 such a function takes no pointers, so its state is in the scratch value.
 */
__weak __attribute__((noinline)) int path_step(void)
{
	struct dentry *dentry, *parent;
	struct mount *mnt, *above;
	struct exec_scratch *s;
	__u32 zero = 0, len, pos;

	s = bpf_map_lookup_elem(&ptcp_exec_buf, &zero);
	if (!s)
		return 0;
	dentry = s->walk.dentry;
	parent = BPF_CORE_READ(dentry, d_parent);
	if (dentry == s->walk.root || dentry == parent) {
		mnt = s->walk.mnt;
		above = BPF_CORE_READ(mnt, mnt_parent);
		if (above == mnt || dentry != s->walk.root) {
			s->walk.cut = 0;
			return 0;
		}
		s->walk.dentry = BPF_CORE_READ(mnt, mnt_mountpoint);
		s->walk.mnt = above;
		s->walk.root = BPF_CORE_READ(above, mnt.mnt_root);
		return 1;
	}
	pos = s->walk.pos;
	len = BPF_CORE_READ(dentry, d_name.len);
	if (len > COMPONENT_MAX || len + 1 > pos)
		return 0;
	pos = (pos - len) & (EVENT_FILENAME_MAX - 1);
	bpf_probe_read_kernel(s->path + pos, len & COMPONENT_MAX, BPF_CORE_READ(dentry, d_name.name));
	pos = (pos - 1) & (EVENT_FILENAME_MAX - 1);
	s->path[pos] = '/';
	s->walk.pos = pos;
	s->walk.dentry = parent;
	return 1;
}

/* The path of a file as /proc/PID/exe would show it, in s->path from the returned offset up to EVENT_FILENAME_MAX. */
static __always_inline __u32 build_path(struct exec_scratch *s, struct file *file)
{
	struct vfsmount *vfs = BPF_CORE_READ(file, f_path.mnt);

	s->walk.dentry = BPF_CORE_READ(file, f_path.dentry);
	s->walk.root = BPF_CORE_READ(vfs, mnt_root);
	s->walk.mnt = (void *)((char *)vfs - bpf_core_field_offset(struct mount, mnt));
	s->walk.pos = EVENT_FILENAME_MAX - 1;
	s->walk.cut = 1;
	for (int i = 0; i < PATH_DEPTH; i++)
		if (!path_step())
			break;
	s->event.filename_cut = s->walk.cut;
	return s->walk.pos;
}

#endif
