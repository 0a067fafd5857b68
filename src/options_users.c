/* SPDX-License-Identifier: BSD-3-Clause */
/* --uid, by number or by name. */
#include "options_users.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/user.h"
#include "options_value.h"

#define NOBODY "%s %s: no user is called so here: \"getent passwd\" lists those who are; a number needs no name"

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
			log_error(NOBODY, "--uid", name);
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

/* Each once: a directory service may be asked. */
static const struct match_user *found_before(const struct options *o, const char *name, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (o->term_users[i] && strcmp(o->term_users[i]->name, name) == 0)
			return o->term_users[i];
	}
	return NULL;
}

static int find_term_user(struct options *o, uint32_t i)
{
	const char *name = o->filter->terms[i].value;
	struct match_user *u;

	o->term_users[i] = found_before(o, name, i);
	if (o->term_users[i])
		return 0;
	u = calloc(1, sizeof(*u));
	if (!u) {
		log_error("out of memory");
		return -ENOMEM;
	}
	o->term_users[i] = u;
	u->name = name;
	u->known = user_find(name, &u->uid, &u->usual) == 0;
	if (u->known || options_offline(o))
		return 0;
	log_error(NOBODY, "uid", name);
	return -ENOENT;
}

int options_find_term_users(struct options *o)
{
	int err = 0;

	if (!o->filter->n)
		return 0;
	o->term_users = calloc(o->filter->n, sizeof(*o->term_users));
	if (!o->term_users) {
		log_error("out of memory");
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < o->filter->n && !err; i++) {
		if (o->filter->terms[i].kind == TERM_UID && !is_number(o->filter->terms[i].value))
			err = find_term_user(o, i);
	}
	return err;
}

static void term_users_done(struct options *o)
{
	/* From the end: whom found_before() looks at are there still. */
	for (uint32_t i = o->term_users ? o->filter->n : 0; i-- > 0;) {
		const struct match_user *u = o->term_users[i];

		if (!u || found_before(o, u->name, i))
			continue;
		free(u->usual);
		free((void *)(uintptr_t)u);
	}
	free(o->term_users);
	o->term_users = NULL;
}

void options_users_done(struct options *o)
{
	term_users_done(o);
	for (size_t i = 0; o->saved_users && i < o->users.n; i++)
		free(o->saved_users[i].usual);
	free(o->saved_users);
	o->saved_users = NULL;
	str_list_done(&o->users);
	u32_list_done(&o->uids);
}
