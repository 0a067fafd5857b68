/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of users, each looked up once. */
#ifndef META_USER_H
#define META_USER_H

#include <stdint.h>

#include "util/str.h"

struct users;

int users_new(struct users **ret);
/* p == NULL: no name is known. Valid until users_free(). */
struct str users_find(struct users *u, uint32_t uid);
void users_free(struct users *u);

#endif
