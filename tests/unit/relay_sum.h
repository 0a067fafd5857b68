/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes through a relay as a sum, which has to be the same on both sides; and an output that takes it. */
#ifndef RELAY_SUM_H
#define RELAY_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "output/relay.h"

/* In order. */
struct relay_sum {
	uint64_t hash, packets;
	bool quick; /* of what is long, some bytes */
	bool json;  /* fields of JSON, too */
};

/* FNV-1a. */
static inline void sum_bytes(struct relay_sum *s, const void *bytes, size_t n)
{
	const size_t step = s->quick && n > 256 ? n / 64 : 1;
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i += step)
		s->hash = (s->hash ^ p[i]) * UINT64_C(0x100000001b3);
	s->hash = (s->hash ^ n) * UINT64_C(0x100000001b3);
}

/* NULL is as good as empty. */
static inline void sum_text(struct relay_sum *s, const char *text)
{
	if (text && *text)
		sum_bytes(s, text, strlen(text));
}

static inline void sum_annotation(struct relay_sum *s, const struct annotation *a)
{
	sum_bytes(s, &a->serial, sizeof(a->serial));
	sum_bytes(s, &a->has, sizeof(a->has));
	for (size_t i = 0; i < annotation_schema.nfields; i++) {
		const struct annot_field *f = &annotation_schema.fields[i];
		const uint32_t number = f->kind <= FIELD_PID ? annot_u32(a, f) : 0;
		struct str text = { 0 };

		if (annot_is_string(f) && (f->kind != FIELD_JSON || s->json))
			text = annot_str(a, f);
		sum_bytes(s, &number, sizeof(number));
		sum_bytes(s, text.p, text.n);
		sum_bytes(s, &(bool){ text.p }, 1);
	}
}

/* there: how much of its caplen there is. */
static inline void sum_packet(struct relay_sum *s, const struct packet *p, uint32_t there)
{
	const int64_t numbers[] = { p->sec,	     p->nsec,	    p->caplen,	     p->len,
				    p->iface->id,    p->iface->dlt, p->iface->netns, p->by_peer,
				    (int64_t)p->dir, there,	    p->absent_sum,   p->annot != NULL };

	sum_bytes(s, numbers, sizeof(numbers));
	sum_bytes(s, p->data, there);
	sum_text(s, p->iface->name);
	sum_text(s, p->iface->netns_name);
	if (p->annot)
		sum_annotation(s, p->annot);
	s->packets++;
}

static inline int sum_no_iface(struct output *o, const struct iface *iface)
{
	(void)o;
	(void)iface;
	return 0;
}

#endif
