/* SPDX-License-Identifier: BSD-3-Clause */
/* The comment of an interface block: what the format has no option for. */
#ifndef FORMAT_IFACE_COMMENT_H
#define FORMAT_IFACE_COMMENT_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"

#define IFACE_COMMENT_SIZE (PATH_MAX + NAME_MAX + 128)

/* text: as long as that; returns false when there is nothing to say. */
bool iface_comment_write(const struct iface *iface, char text[IFACE_COMMENT_SIZE]);
/* Whether it tells what the namespace is called: the interface's name in the file is then NAME@NETNS. */
bool iface_comment_names(const struct iface *iface);
/* Takes what our own comment says; anything else in a comment is somebody's note and means nothing here. -ENOMEM */
int iface_comment_parse(struct iface *iface, const uint8_t *p, size_t n);

#endif
