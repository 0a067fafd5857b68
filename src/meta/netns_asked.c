/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/netns_asked.h"

#include <errno.h>
#include <stdlib.h>

#include "meta/container_match.h"
#include "util/escape.h"
#include "util/netns_word.h"

struct word {
	const char *prefix, *name;
	struct container_match *match;
	bool found;
};

struct netns_asked {
	size_t n;
	struct word words[];
};

static size_t count(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static int add(struct netns_asked *a, const char *prefix, const char *name, const struct container_query *query)
{
	struct word *w = &a->words[a->n++];

	w->prefix = prefix;
	w->name = name;
	return container_match_new(&w->match, query);
}

int netns_asked_new(struct netns_asked **ret, const char *const *containers, const char *const *pods)
{
	const size_t n = count(containers) + count(pods);
	struct netns_asked *a = calloc(1, sizeof(*a) + n * sizeof(a->words[0]));
	int err = a ? 0 : -ENOMEM;

	for (; !err && containers && *containers; containers++) {
		const char *const name[] = { *containers, NULL };

		err = add(a, NETNS_CONTAINER, *containers,
			  &(struct container_query){
				  .names = name,
				  .ids = container_query_is_id(str_of(*name), CONTAINER_ID_MIN) ? name : NULL });
	}
	for (; !err && pods && *pods; pods++) {
		const char *const name[] = { *pods, NULL };

		err = add(a, NETNS_POD, *pods, &(struct container_query){ .pods = name });
	}
	if (err) {
		netns_asked_free(a);
		return err;
	}
	*ret = a;
	return 0;
}

bool netns_asked_fits(struct netns_asked *a, const struct container_desc *container, const struct pod_desc *pod)
{
	bool any = false;

	for (size_t i = 0; i < a->n; i++) {
		struct word *w = &a->words[i];
		const bool fits = container_match_end(w->match, container, pod);

		w->found |= fits;
		any |= fits;
	}
	return any;
}

size_t netns_asked_put_missing(const struct netns_asked *a, struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++) {
		const struct word *w = &a->words[i];

		if (w->found)
			continue;
		buf_printf(b, "%s'%s", n++ ? ", " : "", w->prefix);
		escape_put(b, str_of(w->name), IN_LINE);
		buf_putc(b, '\'');
	}
	return n;
}

void netns_asked_free(struct netns_asked *a)
{
	for (size_t i = 0; a && i < a->n; i++)
		container_match_free(a->words[i].match);
	free(a);
}
