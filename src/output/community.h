/* SPDX-License-Identifier: BSD-3-Clause */
/* Community ID, version 1 (https://github.com/corelight/community-id-spec): by it other programs know the same flow. */
#ifndef OUTPUT_COMMUNITY_H
#define OUTPUT_COMMUNITY_H

#include "headers.h"

enum { COMMUNITY_LEN = 30 }; /* "1:", and 20 bytes in base64 */

/* With seed 0. False: it is no packet that has one: no IP, a fragment without ports. */
bool community_id(const struct headers *h, char text[COMMUNITY_LEN]);

#endif
