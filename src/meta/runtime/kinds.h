/* SPDX-License-Identifier: BSD-3-Clause */
/* The container runtimes. Each has a row in meta/runtimes.c, and in options_table.c if its socket can be given. */
#ifndef META_RUNTIME_KINDS_H
#define META_RUNTIME_KINDS_H

enum runtime_kind {
	RUNTIME_DOCKER,
	RUNTIME_PODMAN,
	RUNTIME_CONTAINERD,
	RUNTIME_CRI,
	RUNTIMES,
};

/* How they are spoken to. */
extern const struct runtime_ops docker_ops, containerd_ops, cri_ops;

#endif
