/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The BTF that the programs are fitted to this kernel with. Most kernels bring it; for others it is in a folder, or is
 * fetched once from where such files are collected.
 */
#ifndef CAPTURE_KERNEL_BTF_H
#define CAPTURE_KERNEL_BTF_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "util/buf.h"

/* Where to look. The tests have other places. */
struct kernel_btf_places {
	const char *kernel;	       /* the kernel's own */
	bool libbpf;		       /* and where distributions put a vmlinux, which libbpf knows */
	const char *folder;	       /* what was fetched, or put there */
	const char *os_release[2];     /* the first that is there */
	const char *release;	       /* as uname -r */
	const char *machine;	       /* as uname -m */
	const char *raw_url;	       /* MACHINE/vmlinux-RELEASE follows */
	const char *archive_url;       /* ID/VERSION_ID/MACHINE/RELEASE.btf.tar.xz follows */
	long connect_timeout, timeout; /* seconds, of each download */
	bool no_download;
	/* Whether what is not the kernel's own is of this kernel: as kernel_btf_check(); NULL: that is not asked. */
	int (*check)(const char *path, char *why);
};

/* given: --kernel-btf, NULL: look for it. no_download: nowhere outside. path: of the BTF to use, "" when libbpf finds it by itself. Errors are logged;
 * -errno. */
int kernel_btf_find(const char *given, bool no_download, char path[PATH_MAX]);
int kernel_btf_find_in(const struct kernel_btf_places *places, const char *given, char path[PATH_MAX]);

/* Removes what was being saved when somebody killed us, and tells out. How many files. */
unsigned kernel_btf_clean(FILE *out);

/* What is at url, of at most max bytes. -errno, -ELIBACC when there is nothing to fetch with; why: a text of at
 * least 256 bytes. */
int kernel_btf_fetch(const struct kernel_btf_places *places, const char *url, size_t max, struct buf *ret, char *why);
/* The first file *.btf in a .tar.xz, where it is in unpacked. -EBADMSG, with a reason. */
int kernel_btf_unpack(const struct buf *archive, struct buf *unpacked, struct str *ret, const char **why);

/* Of the folder of the kernel's own. */
struct kernel_btf_data {
	char *p;
	size_t size;
	bool mapped;
};

/* -errno */
int kernel_btf_read(struct kernel_btf_data *ret, const char *path);
void kernel_btf_done(struct kernel_btf_data *d);

struct kernel_btf_type {
	char name[64];
	unsigned kind;
	uint32_t id; /* 0: not there */
};

/* The numbers of types in the kernel's own BTF; folder as in kernel_btf_subset(). 0 or -errno. */
int kernel_btf_numbers(const char *folder, struct kernel_btf_type *types, size_t n);

/*
 * A file with those types of the kernel's BTF, or of its modules', that the relocations of an object name: libbpf looks
 * through all types for each name. Pointers in it lead nowhere, so it tells fields and sizes, and of types whether they exist,
 * but not their numbers. folder: of the kernel's own. elf: the object as it was compiled. types: of which the number in the
 * kernel's BTF is asked, NULL none. A descriptor, or -errno.
 */
int kernel_btf_subset(const char *folder, const void *elf, size_t size, struct kernel_btf_type *types, size_t n);

#endif
