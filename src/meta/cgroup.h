/* SPDX-License-Identifier: BSD-3-Clause */
/* Control groups: from id to path, and the containers that a path names. */
#ifndef META_CGROUP_H
#define META_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CGROUP_PATH_MAX = 4096, CGROUP_NAMES_MAX = 8, CGROUP_V1_MAX = 16 };

/* Who made a cgroup, when that is no user: it is hidden from us, or gone with what was between it and a
 * folder of root's: a user may have named it, so only that its container's first process was in it, too, speaks for it. */
#define CGROUP_MAKER_HIDDEN UINT32_MAX
#define CGROUP_MAKER_GONE (UINT32_MAX - 1)

struct cgroup_fs {
	int fd;		  /* the cgroup v2 mount, -1 none */
	uint64_t root_id; /* of its root as we see it */
	bool v1;	  /* version 1 hierarchies exist too: the v2 path alone may not tell */
	struct cgroup_v1 {
		char controllers[64];
		int fd;		      /* its root, -1 hidden */
	} hierarchies[CGROUP_V1_MAX]; /* of version 1 */
	size_t nhierarchies;
};

/* Where a process is, as it is seen from our cgroup namespace. */
struct cgroup_where {
	char path[CGROUP_PATH_MAX];
	int hierarchy; /* its root, which fs owns; -1 hidden */
	bool v2;
};

/* A part of a path that may be a container. Lengths in bytes, not NUL-terminated. */
struct cgroup_name {
	const char *id;
	size_t id_len;
	const char *ns; /* containerd's namespace when the id is only known within it, else NULL */
	size_t ns_len;
	const char *folder_end; /* in the path, of the part that it was taken of */
};

/* Finds the mounts. 0, or -errno: no cgroup v2 (fd is -1; the rest works from /proc). */
int cgroup_open(struct cgroup_fs *fs);
/* Path of a cgroup by its v2 id, as seen from our cgroup namespace. -ESTALE: it is gone; -EXDEV: it is outside. */
int cgroup_path(const struct cgroup_fs *fs, uint64_t id, char *path, size_t size);
/* v2 id of a path below the mount; 0 when it does not exist. */
uint64_t cgroup_id(const struct cgroup_fs *fs, const char *path);
/* The path in /proc/PID/cgroup that names a container, preferably of root's and in v2, else the v2 path, else the first.
 * 0 or -errno. */
int cgroup_of_pid(struct cgroup_fs *fs, uint32_t pid, struct cgroup_where *ret);
/* The v2 path of a process, "" when it has none. */
int cgroup_v2_of_pid(struct cgroup_fs *fs, uint32_t pid, struct cgroup_where *ret);
/*
 * Who has given the cgroup its name that the first len bytes of a path lead to: root (0), whose it is, or who owns the folder in which it
 * was made, as of a part of the tree that was delegated to a user; where that has gone, the user who owns the nearest one above.
 */
uint32_t cgroup_maker(int hierarchy, const char *path, size_t len);
/* Innermost first: 64 hex digits, bare or after a runtime's prefix (docker-, cri-containerd-, crio-, libpod-...). */
size_t cgroup_containers(const char *path, struct cgroup_name ret[CGROUP_NAMES_MAX]);
/* Innermost first: "/NAMESPACE/ID", as containerd's ctr and nerdctl name them; many other paths look alike. */
size_t cgroup_namespaced(const char *path, struct cgroup_name ret[CGROUP_NAMES_MAX]);
void cgroup_close(struct cgroup_fs *fs);

#endif
