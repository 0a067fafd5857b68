/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef META_CONTAINER_INFO_H
#define META_CONTAINER_INFO_H

#include <stdint.h>

#include "packet.h"

/* What is known of a container, ready to be shown. */
struct container {
	uint64_t serial; /* changes with the contents */
	struct container_desc desc;
	struct pod_desc pod; /* pod.name.p == NULL: in no pod */
};

#endif
