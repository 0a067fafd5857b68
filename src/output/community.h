/* SPDX-License-Identifier: BSD-3-Clause */
/* Community ID, version 1 (https://github.com/corelight/community-id-spec): by it other programs know the same flow. */
#ifndef OUTPUT_COMMUNITY_H
#define OUTPUT_COMMUNITY_H

#include "headers.h"

enum { COMMUNITY_LEN = 30 }; /* "1:", and 20 bytes in base64 */

struct community;

/* Has the library ready, which then opens nothing more; NULL: it has no SHA-1, or there is no memory. */
struct community *community_new(void);
/* With seed 0. False: it is no packet that has one: no IP, a fragment without ports. */
bool community_id(struct community *c, const struct headers *h, char text[COMMUNITY_LEN]);
void community_free(struct community *c);

#endif
