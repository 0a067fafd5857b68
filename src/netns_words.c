/* SPDX-License-Identifier: BSD-3-Clause */
#include "netns_words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/meta.h"
#include "util/glob.h"

enum { ANSWER_MS = 1000 };

static bool is_word(const char *word)
{
	return capture_netns_container(word) || capture_netns_pod(word);
}

bool netns_words_given(const struct options *o)
{
	for (size_t i = 0; i < o->netns.n; i++) {
		if (is_word(o->netns.v[i]))
			return true;
	}
	return false;
}

static int check(const char *word, const char *name)
{
	const char *flaw = *name ? glob_flaw(name) : "the name is missing: container:NAME, pod:NAME.NAMESPACE";

	if (flaw)
		log_error("--netns '%s': %s", word, flaw);
	return flaw ? -EINVAL : 0;
}

int netns_words_split(struct netns_words *w, const struct options *o)
{
	size_t ncontainers = 0, npods = 0;

	w->containers = calloc(o->netns.n + 1, sizeof(*w->containers));
	w->pods = calloc(o->netns.n + 1, sizeof(*w->pods));
	if (!w->containers || !w->pods) {
		log_error("out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; i < o->netns.n; i++) {
		const char *container = capture_netns_container(o->netns.v[i]), *pod = capture_netns_pod(o->netns.v[i]);
		const char *name = container ? container : pod;

		if (name && check(o->netns.v[i], name))
			return -EINVAL;
		if (container)
			w->containers[ncontainers++] = container;
		else if (pod)
			w->pods[npods++] = pod;
	}
	return 0;
}

/* --- without a capture ------------------------------------------------------------- */

static struct capture_netns *known_get(struct netns_words *w, uint32_t inode)
{
	struct capture_netns *p;

	for (size_t i = 0; i < w->nknown; i++) {
		if (w->known[i].inode == inode)
			return &w->known[i];
	}
	p = reallocarray(w->known, w->nknown + 1, sizeof(*p));
	if (!p)
		return NULL;
	w->known = p;
	p += w->nknown++;
	*p = (struct capture_netns){ .inode = inode };
	return p;
}

static void on_netns(void *arg, const struct netns_news *news)
{
	struct capture_netns *known = known_get(arg, news->inode);

	if (!known)
		return;
	known->pid = news->pid;
	known->chosen = news->chosen;
	free((char *)(uintptr_t)known->name);
	known->name = news->name ? strdup(news->name) : NULL;
}

static int ask(struct netns_words *w, const struct options *o)
{
	const struct meta_config config = {
		.containers = true,
		.runtime_addresses = o->runtime_addresses,
		.netns = { .containers = w->containers, .pods = w->pods, .tell = on_netns, .arg = w },
	};
	struct meta *meta;
	int err = meta_new(&meta, &config);

	if (err)
		return err;
	err = meta_scan(meta);
	if (!err)
		meta_wait(meta, ANSWER_MS);
	if (!err)
		meta_say_netns(meta);
	meta_free(meta);
	return err;
}

static int put_paths(struct netns_words *w, const struct options *o)
{
	size_t n = 0;

	w->found = calloc(o->netns.n + w->nknown + 1, sizeof(*w->found));
	if (!w->found)
		return -ENOMEM;
	for (size_t i = 0; i < o->netns.n; i++) {
		if (!is_word(o->netns.v[i]) && !(w->found[n++] = strdup(o->netns.v[i])))
			return -ENOMEM;
	}
	for (size_t i = 0; i < w->nknown; i++) {
		if (w->known[i].chosen && asprintf(&w->found[n++], "/proc/%u/ns/net", w->known[i].pid) < 0)
			return -ENOMEM;
	}
	return n ? 0 : -ESRCH;
}

int netns_words_find(struct netns_words *w, const struct options *o)
{
	int err;

	if (!o->netns.n)
		return 0;
	err = ask(w, o);
	if (err)
		return err;
	err = put_paths(w, o);
	if (err == -ESRCH)
		log_error("--netns: none of these containers and pods runs");
	else if (err)
		log_error("out of memory");
	return err;
}

void netns_words_done(struct netns_words *w)
{
	free(w->containers);
	free(w->pods);
	for (size_t i = 0; w->found && w->found[i]; i++)
		free(w->found[i]);
	free(w->found);
	for (size_t i = 0; i < w->nknown; i++)
		free((char *)(uintptr_t)w->known[i].name);
	free(w->known);
	memset(w, 0, sizeof(*w));
}
