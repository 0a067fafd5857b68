/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/meant.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "meta/container_match.h"
#include "meta/image_name.h"
#include "util/escape.h"
#include "util/glob.h"
#include "util/log.h"
#include "util/nearest.h"
#include "util/netns_word.h"

enum {
	VALUES_MAX = 32, /* that are looked at */
	ID_SHOWN = 12,	 /* digits, as docker ps prints ids */
	ID_MIN = 6,	 /* digits of an id in which one may be wrong */
};

enum value_kind { VALUE_ID, VALUE_NAME, VALUE_POD, VALUE_NAMESPACE, VALUE_IMAGE, VALUE_COMPOSE, VALUE_KINDS };

/* Also the notes of what would have to be given in another one's place. */
static const char *const options[VALUE_KINDS] = {
	[VALUE_ID] = "--container-id",	   [VALUE_NAME] = "--container-name", [VALUE_POD] = "--pod-name",
	[VALUE_NAMESPACE] = "--namespace", [VALUE_IMAGE] = "--image",	      [VALUE_COMPOSE] = "--compose",
};

/* The same for --netns. */
static const char *const netns_words[VALUE_KINDS] = {
	[VALUE_ID] = NETNS_CONTAINER,
	[VALUE_NAME] = NETNS_CONTAINER,
	[VALUE_POD] = NETNS_POD,
};

struct value {
	enum value_kind kind;
	bool found;
	bool of_namespaces; /* a pod that is given without one: of any of those that are given */
	const char *given;
	char pod[NEAREST_NAME_MAX]; /* of VALUE_POD: NAME.NAMESPACE */
	struct nearest nearest;
};

struct meant {
	bool netns;		       /* values are of --netns, where names of containers may be ids */
	const char *const *namespaces; /* NULL: none */
	bool composed;		       /* projects are asked for */
	size_t n;
	struct value values[VALUES_MAX];
};

/* What is told of one container. */
struct offer {
	struct str id, name, pod; /* pod: NAME.NAMESPACE */
	struct str pod_name, namespace, image;
	struct str project, service; /* service: PROJECT/SERVICE */
};

/* namespace: of pods that are given without one. */
static void add(struct meant *m, enum value_kind kind, const char *const *list, const char *namespace)
{
	for (; list && *list && m->n < VALUES_MAX; list++) {
		struct value *v = &m->values[m->n];
		int n = 0;

		/* A pattern is like nothing. */
		if (glob_is(*list))
			continue;
		v->kind = kind;
		v->given = *list;
		v->nearest.wanted = str_of(kind == VALUE_NAME && **list == '/' ? *list + 1 : *list);
		if (kind == VALUE_POD) {
			v->of_namespaces = m->namespaces && !strchr(*list, '.');
			n = snprintf(v->pod, sizeof(v->pod), strchr(*list, '.') ? "%s" : "%s.%s", *list, namespace);
			v->nearest.wanted = str_of(v->pod);
		}
		if (n >= 0 && (size_t)n < sizeof(v->pod))
			m->n++;
	}
}

struct meant *meant_new(const struct container_query *query)
{
	struct meant *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->namespaces = query->namespaces;
	m->composed = query->compose;
	add(m, VALUE_ID, query->ids, NULL);
	add(m, VALUE_NAME, query->names, NULL);
	add(m, VALUE_POD, query->pods, query->namespaces ? query->namespaces[0] : "default");
	add(m, VALUE_NAMESPACE, query->namespaces, NULL);
	add(m, VALUE_IMAGE, query->images, NULL);
	add(m, VALUE_COMPOSE, query->compose, NULL);
	return m;
}

struct meant *meant_new_netns(const char *const *containers, const char *const *pods)
{
	struct meant *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->netns = true;
	add(m, VALUE_NAME, containers, NULL);
	add(m, VALUE_POD, pods, "default");
	return m;
}

static bool begins(struct str s, struct str with)
{
	return s.n >= with.n && nearest_distance(with, (struct str){ s.p, with.n }) == NEAREST_SAME;
}

static bool is_same(struct str a, struct str b)
{
	return nearest_distance(a, b) == NEAREST_SAME;
}

static struct str shown(struct str id)
{
	return (struct str){ id.p, id.n < ID_SHOWN ? id.n : ID_SHOWN };
}

/* The value is of another option than it was given to. */
static void offer_elsewhere(const struct meant *m, struct value *v, const struct offer *o)
{
	const char *const *notes = m->netns ? netns_words : options;
	const struct str w = str_of(v->given);

	if (v->kind != VALUE_ID && container_query_is_id(w, ID_MIN) && begins(o->id, w))
		nearest_offer_at(&v->nearest, shown(o->id), notes[VALUE_ID], NEAREST_SAME);
	if (v->kind != VALUE_NAME && is_same(w, o->name))
		nearest_offer_at(&v->nearest, o->name, notes[VALUE_NAME], NEAREST_SAME);
	if (v->kind != VALUE_POD && (is_same(w, o->pod) || is_same(w, o->pod_name)))
		nearest_offer_at(&v->nearest, o->pod, notes[VALUE_POD], NEAREST_SAME);
}

static void offer_id(struct value *v, const struct offer *o)
{
	const struct str w = v->nearest.wanted, part = { o->id.p, o->id.n < w.n ? o->id.n : w.n };

	if (begins(o->id, w))
		v->found = true;
	else if (container_query_is_id(w, ID_MIN))
		nearest_offer_at(&v->nearest, shown(o->id), NULL, nearest_distance(w, part));
}

static bool is_of_namespaces(const struct meant *m, struct str namespace)
{
	char text[NEAREST_NAME_MAX];

	for (const char *const *n = m->namespaces; *n; n++) {
		if (glob_match(*n, namespace, text, sizeof(text)))
			return true;
	}
	return false;
}

static void offer_pod(const struct meant *m, struct value *v, const struct offer *o)
{
	const char *dot = strrchr(v->pod, '.');
	const struct str name = { v->pod, (uint32_t)(dot - v->pod) };

	if (v->of_namespaces && str_eq(name, o->pod_name) && is_of_namespaces(m, o->namespace)) {
		v->found = true;
		/* For is_asked_for(); too long it is no name that is offered. */
		if (o->pod.p)
			snprintf(v->pod, sizeof(v->pod), "%.*s", (int)o->pod.n, o->pod.p);
		v->nearest.wanted = str_of(v->pod);
	}
	v->found |= str_eq(v->nearest.wanted, o->pod);
	/* In another namespace, or of a deployment. */
	if (is_same(name, o->pod_name) || (name.n && begins(o->pod_name, name)))
		nearest_offer_at(&v->nearest, o->pod, NULL, is_same(name, o->pod_name) ? 0 : 1);
	else
		nearest_offer(&v->nearest, o->pod, NULL);
}

/* Of the ways to write it the one that is most like what is wanted. */
static void offer_image(struct value *v, const struct offer *o)
{
	unsigned distance = NEAREST_UNLIKE;
	struct str form, nearest = o->image;
	char text[IMAGE_NAME_MAX];
	struct image_name name;

	if (!image_name_parse(&name, o->image, text))
		return;
	for (unsigned i = 0; image_name_form(&name, i, &form); i++) {
		const unsigned d = nearest_distance(v->nearest.wanted, form);

		v->found |= str_eq(v->nearest.wanted, form);
		if (d < distance)
			nearest = form;
		distance = d < distance ? d : distance;
	}
	nearest_offer_at(&v->nearest, nearest, NULL, distance);
}

static void offer_plain(struct value *v, struct str text)
{
	v->found |= text.p && str_eq(v->nearest.wanted, text);
	nearest_offer(&v->nearest, text, NULL);
}

static void offer_name(const struct meant *m, struct value *v, const struct offer *o)
{
	const struct str w = v->nearest.wanted;

	v->found |= m->netns && container_query_is_id(w, CONTAINER_ID_MIN) && begins(o->id, w);
	offer_plain(v, o->name);
}

static void offer_to(const struct meant *m, struct value *v, const struct offer *o)
{
	switch (v->kind) {
	case VALUE_ID: offer_id(v, o); break;
	case VALUE_NAME: offer_name(m, v, o); break;
	case VALUE_POD: offer_pod(m, v, o); break;
	case VALUE_NAMESPACE: offer_plain(v, o->namespace); break;
	case VALUE_IMAGE: offer_image(v, o); break;
	case VALUE_COMPOSE: offer_plain(v, strchr(v->given, '/') ? o->service : o->project); break;
	case VALUE_KINDS: break;
	}
	offer_elsewhere(m, v, o);
}

/* "A" mark "B"; p == NULL: too long. */
static struct str join(char text[NEAREST_NAME_MAX], struct str a, char mark, struct str b)
{
	const int n = snprintf(text, NEAREST_NAME_MAX, "%.*s%c%.*s", (int)a.n, a.p, mark, (int)b.n, b.n ? b.p : "");

	return n >= 0 && n < NEAREST_NAME_MAX ? str_of(text) : (struct str){ 0 };
}

static struct str label_of(const cJSON *labels, const char *const keys[COMPOSE_TOOLS])
{
	for (size_t i = 0; i < COMPOSE_TOOLS; i++) {
		const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(labels, keys[i]));

		if (value)
			return str_of(value);
	}
	return (struct str){ 0 };
}

void meant_offer(struct meant *m, const struct container_desc *c, const struct pod_desc *pod)
{
	struct offer o = {
		.id = c->id, .name = c->name, .pod_name = pod->name, .namespace = pod->namespace, .image = c->image
	};
	cJSON *labels = m->composed && c->labels.n ? cJSON_ParseWithLength(c->labels.p, c->labels.n) : NULL;
	char pod_text[NEAREST_NAME_MAX], service_text[NEAREST_NAME_MAX];

	if (pod->name.p)
		o.pod = join(pod_text, pod->name, '.', pod->namespace);
	o.project = label_of(labels, compose_projects);
	o.service = label_of(labels, compose_services);
	if (o.project.p && o.service.p)
		o.service = join(service_text, o.project, '/', o.service);
	for (size_t i = 0; i < m->n; i++)
		offer_to(m, &m->values[i], &o);
	cJSON_Delete(labels);
}

/* Another value of the same option asks for it already: who follows web-1 and web-2 did not mean web-1 twice. */
static bool is_asked_for(const struct meant *m, enum value_kind kind, const char *name)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->values[i].kind == kind && m->values[i].found &&
		    is_same(m->values[i].nearest.wanted, str_of(name)))
			return true;
	}
	return false;
}

static void put_nearest(const struct meant *m, const struct value *v, struct buf *b)
{
	for (size_t i = 0; i < v->nearest.n; i++) {
		const char *note = v->nearest.kept[i].note;

		if (!note && is_asked_for(m, v->kind, v->nearest.kept[i].name))
			continue;
		buf_puts(b, b->len ? " or " : "");
		if (m->netns)
			buf_printf(b, "'%s", note ? note : netns_words[v->kind]);
		else
			buf_printf(b, "%s%s'", note ? note : "", note ? " " : "");
		escape_put(b, str_of(v->nearest.kept[i].name), IN_QUOTES);
		buf_putc(b, '\'');
	}
}

void meant_warn(const struct meant *m)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct value *v = &m->values[i];
		struct buf b = { 0 };

		if (!v->found)
			put_nearest(m, v, &b);
		if (b.len)
			log_warn("%s '%s%s': did you mean %.*s?", m->netns ? "--netns" : options[v->kind],
				 m->netns ? netns_words[v->kind] : "", v->given, (int)b.len, b.p);
		buf_done(&b);
	}
}

void meant_free(struct meant *m)
{
	free(m);
}
