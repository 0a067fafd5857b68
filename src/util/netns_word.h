/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands in front of the names of containers and pods among the values of --netns. */
#ifndef UTIL_NETNS_WORD_H
#define UTIL_NETNS_WORD_H

#define NETNS_CONTAINER "container:"
#define NETNS_POD "pod:"

#endif
