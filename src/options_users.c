/* SPDX-License-Identifier: BSD-3-Clause */
/* --uid, by number or by name. */
#include "options_users.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/user.h"
#include "options_value.h"

static bool is_number(const char *word)
{
	return strspn(word, "-0123456789") == strlen(word);
}

/* Names are looked up later: what they are for is known when all options are. */
int parse_users(struct options *o, const struct option_desc *d, const char *arg)
{
	struct str_list words = { 0 };
	int err = str_list_split(&words, arg);

	for (size_t i = 0; i < words.n && !err; i++) {
		if (is_number(words.v[i]))
			err = u32_list_split(&o->uids, words.v[i], (uint32_t)d->min, (uint32_t)d->max);
		else
			str_list_add(&o->users, words.v[i], strlen(words.v[i]));
	}
	str_list_done(&words);
	if (err)
		log_error(d->refusal, arg, (long long)d->max);
	return err;
}

static int find_live(struct options *o)
{
	for (size_t i = 0; i < o->users.n; i++) {
		const char *name = o->users.v[i];
		uint32_t uid;

		if (user_find(name, &uid, NULL)) {
			log_error(
				"--uid %s: no user is called so here: \"getent passwd\" lists those who are; a number "
				"needs no name",
				name);
			return -ENOENT;
		}
		u32_list_add(&o->uids, uid);
	}
	return 0;
}

/* A file may be of another machine: its names count, and ours where it has none. */
static int find_saved(struct options *o)
{
	o->saved_users = calloc(o->users.n, sizeof(*o->saved_users));
	if (!o->saved_users) {
		log_error("out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; i < o->users.n; i++) {
		struct match_user *u = &o->saved_users[i];

		u->name = o->users.v[i];
		u->known = user_find(u->name, &u->uid, &u->usual) == 0;
	}
	return 0;
}

int options_find_users(struct options *o)
{
	if (!o->users.n)
		return 0;
	return options_offline(o) ? find_saved(o) : find_live(o);
}

void options_users_done(struct options *o)
{
	for (size_t i = 0; o->saved_users && i < o->users.n; i++)
		free(o->saved_users[i].usual);
	free(o->saved_users);
	o->saved_users = NULL;
	str_list_done(&o->users);
	u32_list_done(&o->uids);
}
