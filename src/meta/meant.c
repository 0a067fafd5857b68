/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/meant.h"

#include <stdio.h>
#include <stdlib.h>

#include "util/glob.h"
#include "util/log.h"
#include "util/nearest.h"

enum {
	VALUES_MAX = 32, /* that are looked at */
	ID_SHOWN = 12,	 /* digits, as docker ps prints ids */
	ID_MIN = 6,	 /* digits of an id in which one may be wrong */
};

enum value_kind { VALUE_ID, VALUE_NAME, VALUE_POD, VALUE_KINDS };

/* Also the notes of what would have to be given in another one's place. */
static const char *const options[VALUE_KINDS] = {
	[VALUE_ID] = "--container-id",
	[VALUE_NAME] = "--container-name",
	[VALUE_POD] = "--pod-name",
};

struct value {
	enum value_kind kind;
	bool found;
	const char *given;
	char pod[NEAREST_NAME_MAX]; /* of VALUE_POD: NAME.NAMESPACE */
	struct nearest nearest;
};

struct meant {
	size_t n;
	struct value values[VALUES_MAX];
};

/* What is told of one container. */
struct offer {
	struct str id, name, pod; /* pod: NAME.NAMESPACE */
	struct str pod_name;
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
	add(m, VALUE_ID, query->ids, NULL);
	add(m, VALUE_NAME, query->names, NULL);
	add(m, VALUE_POD, query->pods, query->namespaces ? query->namespaces[0] : "default");
	return m;
}

static bool is_id(struct str s)
{
	for (uint32_t i = 0; i < s.n; i++) {
		if (!strchr("0123456789abcdefABCDEF", s.p[i]))
			return false;
	}
	return s.n >= ID_MIN;
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
static void offer_elsewhere(struct value *v, const struct offer *o)
{
	const struct str w = str_of(v->given);

	if (v->kind != VALUE_ID && is_id(w) && begins(o->id, w))
		nearest_offer_at(&v->nearest, shown(o->id), options[VALUE_ID], NEAREST_SAME);
	if (v->kind != VALUE_NAME && is_same(w, o->name))
		nearest_offer_at(&v->nearest, o->name, options[VALUE_NAME], NEAREST_SAME);
	if (v->kind != VALUE_POD && (is_same(w, o->pod) || is_same(w, o->pod_name)))
		nearest_offer_at(&v->nearest, o->pod, options[VALUE_POD], NEAREST_SAME);
}

static void offer_id(struct value *v, const struct offer *o)
{
	const struct str w = v->nearest.wanted, part = { o->id.p, o->id.n < w.n ? o->id.n : w.n };

	if (begins(o->id, w))
		v->found = true;
	else if (is_id(w))
		nearest_offer_at(&v->nearest, shown(o->id), NULL, nearest_distance(w, part));
}

static void offer_pod(struct value *v, const struct offer *o)
{
	const char *dot = strrchr(v->pod, '.');
	const struct str name = { v->pod, (uint32_t)(dot - v->pod) };

	/* In another namespace, or of a deployment. */
	if (is_same(name, o->pod_name) || (name.n && begins(o->pod_name, name)))
		nearest_offer_at(&v->nearest, o->pod, NULL, is_same(name, o->pod_name) ? 0 : 1);
	else
		nearest_offer(&v->nearest, o->pod, NULL);
}

static void offer_to(struct value *v, const struct offer *o)
{
	const struct str w = v->nearest.wanted;

	v->found |= (v->kind == VALUE_NAME && str_eq(w, o->name)) || (v->kind == VALUE_POD && str_eq(w, o->pod));
	if (v->kind == VALUE_ID)
		offer_id(v, o);
	else if (v->kind == VALUE_NAME)
		nearest_offer(&v->nearest, o->name, NULL);
	else
		offer_pod(v, o);
	offer_elsewhere(v, o);
}

void meant_offer(struct meant *m, const struct container_desc *c, const struct pod_desc *pod)
{
	struct offer o = { .id = c->id, .name = c->name, .pod_name = pod->name };
	char text[NEAREST_NAME_MAX];
	int n;

	if (pod->name.p) {
		n = snprintf(text, sizeof(text), "%.*s.%.*s", (int)pod->name.n, pod->name.p, (int)pod->namespace.n,
			     pod->namespace.n ? pod->namespace.p : "");
		if (n >= 0 && (size_t)n < sizeof(text))
			o.pod = str_of(text);
	}
	for (size_t i = 0; i < m->n; i++)
		offer_to(&m->values[i], &o);
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
		buf_printf(b, "%s%s%s'", b->len ? " or " : "", note ? note : "", note ? " " : "");
		buf_put_escaped(b, str_of(v->nearest.kept[i].name));
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
			log_warn("%s '%s': did you mean %.*s?", options[v->kind], v->given, (int)b.len, b.p);
		buf_done(&b);
	}
}

void meant_free(struct meant *m)
{
	free(m);
}
