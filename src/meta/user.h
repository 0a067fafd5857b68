/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of users, each looked up once. Nobody waits for a directory service that does not answer: the name comes later. */
#ifndef META_USER_H
#define META_USER_H

#include <stdint.h>

#include "util/str.h"

struct users;

int users_new(struct users **ret);
/* p == NULL: no name is known; *pending: yet. Valid until users_free(). */
struct str users_find(struct users *u, uint32_t uid, bool *pending);
/*
 * The number of who is called name here, and what else that number is called: *usual, NULL unknown, to be freed; usual may
 * be NULL. -ENOENT: nobody is. Waits for a directory service.
 */
int user_find(const char *name, uint32_t *uid, char **usual);
/* Whether names came since the last call that were pending. */
bool users_changed(struct users *u);
void users_free(struct users *u);

#endif
