/* SPDX-License-Identifier: BSD-3-Clause */
#include "options_containers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/container_query.h"
#include "options_parse.h"
#include "options_value.h"
#include "util/glob.h"

struct container_query options_containers(const struct options *o)
{
	return (struct container_query){
		.ids = (const char *const *)o->container_ids.v,
		.names = (const char *const *)o->container_names.v,
		.pods = (const char *const *)o->pod_names.v,
		.namespaces = (const char *const *)o->namespaces.v,
		.images = (const char *const *)o->images.v,
		.labels = (const char *const *)o->labels.v,
		.compose = (const char *const *)o->compose.v,
	};
}

/* What is wrong with one value, NULL nothing. */
typedef const char *(*flaw_fn)(const char *value);

static const char *id_flaw(const char *id)
{
	return strlen(id) < CONTAINER_ID_MIN ? "at least 12 characters of the id are needed" : NULL;
}

static const char *namespace_flaw(const char *namespace)
{
	return strchr(namespace, '/') ? "it takes namespaces of Kubernetes; --netns takes those of the network"
				      : glob_flaw(namespace);
}

static const char *compose_flaw(const char *value)
{
	const char *slash = strchr(value, '/');

	if (slash && (slash == value || !slash[1] || strchr(slash + 1, '/')))
		return "give PROJECT or PROJECT/SERVICE";
	return glob_flaw(value);
}

static int refuse(const struct option_desc *d, const char *value, const char *flaw)
{
	log_error("--%s '%s': %s", d->name, value, flaw);
	return -EINVAL;
}

static int parse_checked(struct options *o, const struct option_desc *d, const char *arg, flaw_fn flaw_of)
{
	struct str_list *list = option_field(o, d);
	size_t i = list->n;

	if (parse_list(o, d, arg))
		return -EINVAL;
	for (; i < list->n; i++) {
		const char *flaw = flaw_of(list->v[i]);

		if (flaw)
			return refuse(d, list->v[i], flaw);
	}
	return 0;
}

int parse_container_id(struct options *o, const struct option_desc *d, const char *arg)
{
	return parse_checked(o, d, arg, id_flaw);
}

int parse_patterns(struct options *o, const struct option_desc *d, const char *arg)
{
	return parse_checked(o, d, arg, glob_flaw);
}

int parse_namespace(struct options *o, const struct option_desc *d, const char *arg)
{
	return parse_checked(o, d, arg, namespace_flaw);
}

int parse_compose(struct options *o, const struct option_desc *d, const char *arg)
{
	return parse_checked(o, d, arg, compose_flaw);
}

/* Of the n bytes of one label. */
static const char *label_flaw(const char *label, size_t n)
{
	const char *mark = memchr(label, '=', n);
	const size_t key = mark ? (size_t)(mark - label) : n;
	const char *flaw = NULL;
	char *value;

	if (key == 0)
		return "a label begins with its key: KEY or KEY=VALUE";
	if (mark && label[key - 1] == '!')
		return "labels are compared by KEY=VALUE only";
	if (mark && key + 1 < n && mark[1] == '=')
		return "one '=' is meant: KEY=VALUE";
	if (!mark)
		return NULL;
	value = strndup(mark + 1, n - key - 1);
	flaw = value ? glob_flaw(value) : "out of memory";
	free(value);
	return flaw;
}

int parse_label(struct options *o, const struct option_desc *d, const char *arg)
{
	const char *label = arg;

	for (;;) {
		const size_t n = container_query_label(label);
		const char *flaw = label_flaw(label, n);

		if (flaw)
			return refuse(d, arg, flaw);
		if (!label[n])
			break;
		label += n + 1;
	}
	str_list_add(option_field(o, d), arg, strlen(arg));
	return 0;
}
