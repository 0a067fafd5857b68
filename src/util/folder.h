/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files that root writes where others may put links. Their folder is opened once. A link that root has placed is followed as ever;
 * what lies behind somebody else's is opened with the rights of that user. Later files are opened in the folder as it was,
 * and through no link at all.
 */
#ifndef UTIL_FOLDER_H
#define UTIL_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct folder {
	int fd;		/* AT_FDCWD: we are not root, the kernel decides as for everybody */
	size_t skip;	/* of a name: bytes that lead to the folder */
	bool way;	/* nobody but root can have put what is root's there, or a folder of the way */
	bool roots;	/* nor anything else there */
	uint32_t other; /* who else owns a folder of the way; 0: nobody */
	uint32_t uid;	/* whose rights count; 0: ours */
};

/* Nothing is open. */
#define FOLDER_NONE ((struct folder){ .fd = -1 })

/* The folder of files whose names all begin with the first n bytes of name, up to its last '/' in these. -errno */
int folder_open(struct folder *f, const char *name, size_t n);
/*
 * Opens a file, which is made when it is not there (*made), for writing with more flags. first: links may lead to it. Only what is
 * made, and what root alone can have put there, is opened where CAP_DAC_OVERRIDE is needed. -errno; -ELOOP: a link is not
 * followed; -EMLINK: it has other names, and somebody else may have given it this one.
 */
int folder_file(const struct folder *f, const char *name, int flags, mode_t mode, bool first, bool *made);
void folder_close(struct folder *f);

#endif
