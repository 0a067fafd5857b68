/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/pods.h"

#include <stdlib.h>
#include <string.h>

enum {
	PODS_MAX = 16384, /* twice as many as containers: those whose sandbox is one go with it */
	NAME_MAX_BYTES = 1024,
};

void pods_init(struct pods *pods)
{
	*pods = (struct pods){ .key = hash_key() };
}

static size_t bucket_of(const struct pods *pods, const char *sandbox)
{
	return hash_bytes(&pods->key, sandbox, strlen(sandbox)) % PODS_BUCKETS;
}

const struct pod *pods_find(const struct pods *pods, const char *sandbox)
{
	const struct pod *p = pods->buckets[bucket_of(pods, sandbox)];

	while (p && strcmp(p->sandbox, sandbox) != 0)
		p = p->next;
	return p;
}

const struct pod *pods_each(const struct pods *pods, const struct pod *after)
{
	size_t i = after ? bucket_of(pods, after->sandbox) + 1 : 0;

	if (after && after->next)
		return after->next;
	while (i < PODS_BUCKETS && !pods->buckets[i])
		i++;
	return i < PODS_BUCKETS ? pods->buckets[i] : NULL;
}

static void pod_free(struct pod *p)
{
	free(p->sandbox);
	free(p->name);
	free(p->namespace);
	free(p->uid);
	free(p->labels);
	free(p->annotations);
	free(p);
}

void pods_remove(struct pods *pods, struct budget *budget, const char *sandbox)
{
	struct pod **p = &pods->buckets[bucket_of(pods, sandbox)], *pod;

	while (*p && strcmp((*p)->sandbox, sandbox) != 0)
		p = &(*p)->next;
	pod = *p;
	if (!pod)
		return;
	*p = pod->next;
	budget_set(budget, &pod->bytes, 0, false);
	pod_free(pod);
	pods->n--;
}

static char *copy(const char *text)
{
	return text ? strndup(text, NAME_MAX_BYTES) : NULL;
}

static struct pod *pod_new(struct budget *budget, const struct pod_facts *f)
{
	struct pod *pod = calloc(1, sizeof(*pod));

	if (!pod)
		return NULL;
	pod->sandbox = copy(f->sandbox);
	pod->name = copy(f->name);
	pod->namespace = copy(f->namespace);
	pod->uid = copy(f->uid);
	pod->labels = budget_labels(budget, f->labels, f->nlabels, false);
	pod->annotations = budget_labels(budget, f->annotations, f->nannotations, false);
	if (pod->sandbox && pod->name && pod->namespace && pod->uid && pod->labels && pod->annotations)
		return pod;
	pod_free(pod);
	return NULL;
}

const struct pod *pods_put(struct pods *pods, struct budget *budget, const struct pod_facts *f)
{
	const bool room = pods->n < PODS_MAX || (f->sandbox && pods_find(pods, f->sandbox));
	struct pod *pod = room ? pod_new(budget, f) : NULL, **bucket;

	if (!pod)
		return NULL;
	pods_remove(pods, budget, pod->sandbox);
	budget_set(budget, &pod->bytes, strlen(pod->labels) + strlen(pod->annotations), false);
	bucket = &pods->buckets[bucket_of(pods, pod->sandbox)];
	pod->next = *bucket;
	*bucket = pod;
	pods->n++;
	return pod;
}

void pods_free(struct pods *pods)
{
	for (size_t i = 0; i < PODS_BUCKETS; i++) {
		while (pods->buckets[i]) {
			struct pod *p = pods->buckets[i];

			pods->buckets[i] = p->next;
			pod_free(p);
		}
	}
	pods->n = 0;
}
