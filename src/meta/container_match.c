/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/container_match.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "meta/image_name.h"
#include "meta/label.h"
#include "util/glob.h"
#include "util/hash.h"

enum {
	TEXT_MAX = 65536, /* nothing that a file tells is longer, and of runtimes less is kept */
	MEMORY = 4096,	  /* containers of one generation */
	SLOTS = 2 * MEMORY,
	REMEMBERED = CONTAINER_IMAGE | CONTAINER_LABEL | CONTAINER_COMPOSE,
};

const char *const compose_projects[COMPOSE_TOOLS] = { "com.docker.compose.project", "io.podman.compose.project" };
const char *const compose_services[COMPOSE_TOOLS] = { "com.docker.compose.service", "io.podman.compose.service" };

/* text == NULL: anything. */
struct pattern {
	char *text;
	size_t n;
	bool glob;
};

/* One value of an option, at its mark taken apart. */
struct rule {
	struct pattern first, second;
	bool more; /* the next one has to be satisfied as well */
};

struct rules {
	struct rule *v;
	size_t n;
};

struct seen {
	uint64_t id;   /* its hash, 0: empty */
	uint64_t told; /* the hash of what the kinds are of */
	unsigned kinds;
};

/* Of the two the older one is forgotten when the newer one is full; what is asked for is made new again. */
struct generation {
	struct seen *v;
	size_t n;
};

struct container_match {
	struct rules ids, names, pods, namespaces, images, labels, compose;
	unsigned wanted;
	struct hash_long_key key;	/* files choose ids and labels */
	struct generation newer, older; /* v == NULL: nothing has to be remembered */
	char text[TEXT_MAX + 1];	/* for glob_match() */
};

/* Making ready */

static bool pattern_set(struct pattern *p, const char *text, size_t n)
{
	p->text = strndup(text, n);
	p->n = n;
	p->glob = p->text && glob_is(p->text);
	return p->text;
}

static struct rule *rule_add(struct rules *rules)
{
	struct rule *v = reallocarray(rules->v, rules->n + 1, sizeof(*v));

	if (!v)
		return NULL;
	rules->v = v;
	v[rules->n] = (struct rule){ 0 };
	return &v[rules->n++];
}

/* mark: where the second part begins behind; NULL there is none. */
static bool add(struct rules *rules, const char *text, size_t n, const char *mark)
{
	struct rule *r = rule_add(rules);

	if (!r || !pattern_set(&r->first, text, mark ? (size_t)(mark - text) : n))
		return false;
	return !mark || pattern_set(&r->second, mark + 1, n - (size_t)(mark + 1 - text));
}

static bool add_plain(struct rules *rules, const char *value)
{
	return add(rules, value, strlen(value), NULL);
}

/* Docker's API names containers with a slash in front. */
static bool add_name(struct rules *rules, const char *value)
{
	return add_plain(rules, *value == '/' ? value + 1 : value);
}

static bool add_pod(struct rules *rules, const char *value)
{
	return add(rules, value, strlen(value), strrchr(value, '.'));
}

static bool add_compose(struct rules *rules, const char *value)
{
	return add(rules, value, strlen(value), strchr(value, '/'));
}

static bool add_labels(struct rules *rules, const char *value)
{
	for (;;) {
		const size_t n = container_query_label(value);

		if (!add(rules, value, n, memchr(value, '=', n)))
			return false;
		if (!value[n])
			return true;
		rules->v[rules->n - 1].more = true;
		value += n + 1;
	}
}

static bool add_all(struct rules *rules, const char *const *values, bool (*add_one)(struct rules *, const char *))
{
	for (; values && *values; values++) {
		if (!add_one(rules, *values))
			return false;
	}
	return true;
}

static bool compile(struct container_match *m, const struct container_query *q)
{
	return add_all(&m->ids, q->ids, add_plain) && add_all(&m->names, q->names, add_name) &&
	       add_all(&m->pods, q->pods, add_pod) && add_all(&m->namespaces, q->namespaces, add_plain) &&
	       add_all(&m->images, q->images, add_plain) && add_all(&m->labels, q->labels, add_labels) &&
	       add_all(&m->compose, q->compose, add_compose);
}

/* A pod without a namespace is of "default", or of those that are given, which are a kind of their own. */
static bool complete_pods(struct container_match *m)
{
	for (size_t i = 0; i < m->pods.n && !m->namespaces.n; i++) {
		struct rule *r = &m->pods.v[i];

		if (!r->second.text && !pattern_set(&r->second, "default", strlen("default")))
			return false;
	}
	return true;
}

static bool generation_open(struct generation *g)
{
	g->v = calloc(SLOTS, sizeof(*g->v));
	return g->v;
}

int container_match_new(struct container_match **ret, const struct container_query *query)
{
	struct container_match *m = calloc(1, sizeof(*m));
	bool ready;

	if (!m)
		return -ENOMEM;
	m->key = hash_long_key();
	ready = compile(m, query) && complete_pods(m);
	m->wanted = (m->ids.n || m->names.n ? CONTAINER_NAMED : 0) | (m->pods.n ? CONTAINER_POD : 0) |
		    (m->namespaces.n ? CONTAINER_NAMESPACE : 0) | (m->images.n ? CONTAINER_IMAGE : 0) |
		    (m->labels.n ? CONTAINER_LABEL : 0) | (m->compose.n ? CONTAINER_COMPOSE : 0);
	if (m->wanted & REMEMBERED)
		ready = ready && generation_open(&m->newer) && generation_open(&m->older);
	if (!ready) {
		container_match_free(m);
		return -ENOMEM;
	}
	*ret = m;
	return 0;
}

unsigned container_match_wanted(const struct container_match *m)
{
	return m->wanted;
}

unsigned container_match_of_container(const struct container_match *m)
{
	return m->wanted & (CONTAINER_NAMED | REMEMBERED);
}

unsigned container_match_of_pod(const struct container_match *m)
{
	return m->wanted & (CONTAINER_POD | CONTAINER_NAMESPACE | CONTAINER_LABEL);
}

unsigned container_match_remembered(const struct container_match *m)
{
	return m->wanted & REMEMBERED;
}

/* Comparing */

static bool fits(struct container_match *m, const struct pattern *p, struct str s)
{
	if (!p->text)
		return true;
	if (!p->glob)
		return s.p && s.n == p->n && memcmp(s.p, p->text, p->n) == 0;
	return s.p && glob_match(p->text, s, m->text, sizeof(m->text));
}

static bool any_fits(struct container_match *m, const struct rules *rules, struct str s)
{
	for (size_t i = 0; i < rules->n; i++) {
		if (fits(m, &rules->v[i].first, s))
			return true;
	}
	return false;
}

/* Ids are hexadecimal, but for those that somebody chose. */
static bool id_fits(const struct pattern *p, struct str id)
{
	if (!id.p || id.n < p->n)
		return false;
	if (!container_query_is_id((struct str){ p->text, (uint32_t)p->n }, 0))
		return memcmp(id.p, p->text, p->n) == 0;
	return strncasecmp(id.p, p->text, p->n) == 0;
}

static bool is_named(struct container_match *m, const struct container_desc *c)
{
	for (size_t i = 0; i < m->ids.n; i++) {
		if (id_fits(&m->ids.v[i].first, c->id))
			return true;
	}
	return any_fits(m, &m->names, c->name);
}

static bool is_pod(struct container_match *m, const struct pod_desc *pod)
{
	for (size_t i = 0; i < m->pods.n; i++) {
		const struct rule *r = &m->pods.v[i];

		if (fits(m, &r->first, pod->name) && fits(m, &r->second, pod->namespace))
			return true;
	}
	return false;
}

static bool is_image(struct container_match *m, struct str image)
{
	char text[IMAGE_NAME_MAX];
	struct image_name name;
	struct str form;

	if (!image_name_parse(&name, image, text))
		return any_fits(m, &m->images, image);
	for (unsigned i = 0; image_name_form(&name, i, &form); i++) {
		if (any_fits(m, &m->images, form))
			return true;
	}
	return false;
}

/* labels: NULL there are none. value->text == NULL: any. */
static bool has_label(struct container_match *m, const cJSON *labels, const char *key, const struct pattern *value)
{
	const cJSON *label = cJSON_GetObjectItemCaseSensitive(labels, key);

	return label && (!value->text || (cJSON_IsString(label) && fits(m, value, str_of(label->valuestring))));
}

/* The labels of one end, as JSON objects. */
struct labels {
	cJSON *container, *pod;
};

static bool end_has_label(struct container_match *m, const struct labels *l, const struct rule *r)
{
	return has_label(m, l->container, r->first.text, &r->second) || has_label(m, l->pod, r->first.text, &r->second);
}

static bool is_labelled(struct container_match *m, const struct labels *l)
{
	bool all = true;

	for (size_t i = 0; i < m->labels.n; i++) {
		const struct rule *r = &m->labels.v[i];

		all = all && end_has_label(m, l, r);
		if (!r->more && all)
			return true;
		all = all || !r->more;
	}
	return false;
}

static bool is_composed(struct container_match *m, const cJSON *labels)
{
	for (size_t i = 0; i < m->compose.n; i++) {
		const struct rule *r = &m->compose.v[i];
		bool project = false, service = !r->second.text;

		for (size_t k = 0; k < COMPOSE_TOOLS; k++) {
			project = project || has_label(m, labels, compose_projects[k], &r->first);
			service = service || has_label(m, labels, compose_services[k], &r->second);
		}
		if (project && service)
			return true;
	}
	return false;
}

/* What was told with an earlier packet */

/* Labels may be long, and are looked at with every packet. */
static uint64_t hash_add(const struct container_match *m, uint64_t h, struct str s)
{
	const uint64_t parts[] = { h, hash_long(&m->key, s.p, s.n) };

	return hash_bytes(&m->key.key, parts, sizeof(parts));
}

/* The container's id; files that were saved without containers tell of pods alone. */
static uint64_t hash_of_id(const struct container_match *m, const struct container_desc *c, const struct pod_desc *pod)
{
	uint64_t h = 0;

	if (c)
		h = hash_add(m, h, c->id);
	else if (pod)
		h = hash_add(m, hash_add(m, 1, pod->name), pod->namespace);
	return h ? h : 1;
}

static uint64_t hash_of_told(const struct container_match *m, const struct container_desc *c,
			     const struct pod_desc *pod)
{
	uint64_t h = 0;

	if (c)
		h = hash_add(m, hash_add(m, h, c->labels), c->image);
	return pod ? hash_add(m, h, pod->labels) : h;
}

static struct seen *slot_of(const struct generation *g, uint64_t id)
{
	size_t i = id % SLOTS;

	while (g->v[i].id && g->v[i].id != id)
		i = (i + 1) % SLOTS;
	return &g->v[i];
}

static const struct seen *remember(struct container_match *m, struct seen news)
{
	struct seen *seen = slot_of(&m->newer, news.id);

	if (!seen->id && m->newer.n == MEMORY) {
		const struct generation oldest = m->older;

		m->older = m->newer;
		m->newer = (struct generation){ .v = oldest.v };
		memset(oldest.v, 0, SLOTS * sizeof(*oldest.v));
		seen = slot_of(&m->newer, news.id);
	}
	m->newer.n += !seen->id;
	*seen = news;
	return seen;
}

/* Its id is 0: there is nothing. */
static const struct seen *recall(struct container_match *m, uint64_t id)
{
	const struct seen *seen = slot_of(&m->newer, id);

	if (seen->id)
		return seen;
	seen = slot_of(&m->older, id);
	return seen->id ? remember(m, *seen) : seen;
}

static cJSON *labels_parse(struct str labels)
{
	return labels.n ? cJSON_ParseWithLength(labels.p, labels.n) : NULL;
}

static unsigned kinds_of_labels(struct container_match *m, const struct container_desc *c, const struct pod_desc *pod)
{
	const struct labels l = { c ? labels_parse(c->labels) : NULL, pod ? labels_parse(pod->labels) : NULL };
	unsigned kinds = 0;

	if ((m->wanted & CONTAINER_LABEL) && is_labelled(m, &l))
		kinds |= CONTAINER_LABEL;
	if ((m->wanted & CONTAINER_COMPOSE) && is_composed(m, l.container))
		kinds |= CONTAINER_COMPOSE;
	cJSON_Delete(l.container);
	cJSON_Delete(l.pod);
	return kinds;
}

static unsigned kinds_told(struct container_match *m, const struct container_desc *c, const struct pod_desc *pod)
{
	unsigned kinds = 0;

	if (m->wanted & (CONTAINER_LABEL | CONTAINER_COMPOSE))
		kinds = kinds_of_labels(m, c, pod);
	if (c && (m->wanted & CONTAINER_IMAGE) && is_image(m, c->image))
		kinds |= CONTAINER_IMAGE;
	return kinds;
}

/* Labels are parsed when they are new, not with each packet: that allocates. */
static unsigned kinds_remembered(struct container_match *m, const struct container_desc *c, const struct pod_desc *pod)
{
	struct seen news = { .id = hash_of_id(m, c, pod), .told = hash_of_told(m, c, pod) };
	const struct seen *seen = recall(m, news.id);

	/* Image and labels are told together, be they empty. */
	if (c ? !c->labels.p : !pod->labels.p)
		return seen->kinds;
	if (seen->id && seen->told == news.told)
		return seen->kinds;
	news.kinds = kinds_told(m, c, pod);
	return remember(m, news)->kinds;
}

unsigned container_match_end(struct container_match *m, const struct container_desc *container,
			     const struct pod_desc *pod)
{
	unsigned kinds = 0;

	if (container && (m->wanted & CONTAINER_NAMED) && is_named(m, container))
		kinds |= CONTAINER_NAMED;
	if (pod && (m->wanted & CONTAINER_POD) && is_pod(m, pod))
		kinds |= CONTAINER_POD;
	if (pod && (m->wanted & CONTAINER_NAMESPACE) && any_fits(m, &m->namespaces, pod->namespace))
		kinds |= CONTAINER_NAMESPACE;
	if ((container || pod) && (m->wanted & REMEMBERED))
		kinds |= kinds_remembered(m, container, pod);
	return kinds;
}

static void rules_done(struct rules *rules)
{
	for (size_t i = 0; i < rules->n; i++) {
		free(rules->v[i].first.text);
		free(rules->v[i].second.text);
	}
	free(rules->v);
}

void container_match_free(struct container_match *m)
{
	if (!m)
		return;
	rules_done(&m->ids);
	rules_done(&m->names);
	rules_done(&m->pods);
	rules_done(&m->namespaces);
	rules_done(&m->images);
	rules_done(&m->labels);
	rules_done(&m->compose);
	free(m->newer.v);
	free(m->older.v);
	free(m);
}
