/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/user.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>

/* Beyond this many different users, names are no longer shown: the numbers are. */
enum { USERS_MAX = 1024, PASSWD_MAX = 16384 };

struct users {
	size_t n;
	struct {
		uint32_t uid;
		char *name; /* NULL: none */
	} known[USERS_MAX];
};

int users_new(struct users **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

static char *look_up(uint32_t uid)
{
	struct passwd pw, *found = NULL;
	char text[PASSWD_MAX];

	if (getpwuid_r(uid, &pw, text, sizeof(text), &found) || !found)
		return NULL;
	return strdup(pw.pw_name);
}

struct str users_find(struct users *u, uint32_t uid)
{
	for (size_t i = 0; i < u->n; i++) {
		if (u->known[i].uid == uid)
			return str_of(u->known[i].name);
	}
	if (u->n == USERS_MAX)
		return (struct str){ 0 };
	u->known[u->n].uid = uid;
	u->known[u->n].name = look_up(uid);
	return str_of(u->known[u->n++].name);
}

void users_free(struct users *u)
{
	if (!u)
		return;
	for (size_t i = 0; i < u->n; i++)
		free(u->known[i].name);
	free(u);
}
