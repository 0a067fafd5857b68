/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of container images, [REGISTRY/]PATH[:TAG][@DIGEST], in all the ways in which people write one. */
#ifndef META_IMAGE_NAME_H
#define META_IMAGE_NAME_H

#include "util/str.h"

/* What stands for a registry that is left out, and there for a path without a slash. */
#define IMAGE_REGISTRY "docker.io"
#define IMAGE_OFFICIAL "library"

enum { IMAGE_NAME_MAX = 4096 };

struct image_name {
	struct str full;
	struct str brief;	     /* without IMAGE_OFFICIAL; p == NULL: it has none */
	uint32_t starts[3], ends[3]; /* the longest form first */
	unsigned nstarts, nends;
};

/* text holds full and brief then. False: too long to be one. */
bool image_name_parse(struct image_name *name, struct str image, char text[IMAGE_NAME_MAX]);
/* The i-th form: with and without registry (and IMAGE_OFFICIAL), digest and tag. False: there are no more. */
bool image_name_form(const struct image_name *name, unsigned i, struct str *form);

#endif
