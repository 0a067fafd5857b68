/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/nearest.h"

#include <ctype.h>

enum {
	WORD_MAX = 64,	  /* of longer ones only beginnings are compared */
	EDITS_MAX = 4,	  /* that a long name may be apart */
	LETTERS_EACH = 3, /* that allow an edit */
	PART_MIN = 3,	  /* letters of a name that another one holds */
	EDIT = 2,	  /* distance of an edit */
	BEGINNING = 3,
	PART = 5,
};

static unsigned min(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static int lower(char c)
{
	return tolower((unsigned char)c);
}

static bool same(const char *a, const char *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (lower(a[i]) != lower(b[i]))
			return false;
	}
	return true;
}

/* Letters put in, left out, changed, or two that changed places: how many, or max + 1 when there are more. */
static unsigned edits(struct str a, struct str b, unsigned max)
{
	unsigned char rows[3][WORD_MAX + 1];

	for (uint32_t j = 0; j <= b.n; j++)
		rows[0][j] = (unsigned char)j;
	for (uint32_t i = 1; i <= a.n; i++) {
		unsigned char *row = rows[i % 3];
		const unsigned char *above = rows[(i - 1) % 3];
		unsigned least = row[0] = (unsigned char)i;

		for (uint32_t j = 1; j <= b.n; j++) {
			const bool equal = lower(a.p[i - 1]) == lower(b.p[j - 1]);
			unsigned d = min(above[j - 1] + !equal, min(above[j], row[j - 1]) + 1u);

			if (i > 1 && j > 1 && lower(a.p[i - 1]) == lower(b.p[j - 2]) &&
			    lower(a.p[i - 2]) == lower(b.p[j - 1]))
				d = min(d, rows[(i - 2) % 3][j - 2] + 1u);
			row[j] = (unsigned char)d;
			least = min(least, d);
		}
		if (least > max)
			return max + 1;
	}
	return rows[a.n % 3][b.n];
}

static bool holds(struct str name, struct str part)
{
	for (uint32_t i = 0; i + part.n <= name.n; i++) {
		if (same(name.p + i, part.p, part.n))
			return true;
	}
	return false;
}

unsigned nearest_distance(struct str wanted, struct str name)
{
	const struct str s = wanted.n < name.n ? wanted : name, l = wanted.n < name.n ? name : wanted;
	const unsigned max = min((wanted.n + 1) / LETTERS_EACH, EDITS_MAX);
	unsigned d;

	if (s.n == 0)
		return NEAREST_UNLIKE;
	if (s.n == l.n && same(s.p, l.p, s.n))
		return NEAREST_SAME;
	if (l.n <= WORD_MAX && l.n - s.n <= max && (d = edits(s, l, max)) <= max)
		return d * EDIT;
	if (s.n < PART_MIN)
		return NEAREST_UNLIKE;
	if (same(s.p, l.p, s.n))
		return BEGINNING;
	return l.n <= NEAREST_NAME_MAX && holds(l, s) ? PART : NEAREST_UNLIKE;
}

/* Those that are as near stand in the order of the alphabet, in whatever order they are offered. */
static bool is_nearer(const struct nearest *n, size_t i, const char *name, unsigned distance)
{
	if (distance != n->kept[i].distance)
		return distance < n->kept[i].distance;
	return strcmp(name, n->kept[i].name) < 0;
}

static bool has(const struct nearest *n, const char *name, const char *note)
{
	for (size_t i = 0; i < n->n; i++) {
		if (n->kept[i].note == note && strcmp(n->kept[i].name, name) == 0)
			return true;
	}
	return false;
}

void nearest_offer_at(struct nearest *n, struct str name, const char *note, unsigned distance)
{
	char text[NEAREST_NAME_MAX];
	size_t at = n->n;

	if (distance >= NEAREST_UNLIKE || name.n == 0 || name.n >= sizeof(text))
		return;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	if (has(n, text, note))
		return;
	while (at > 0 && is_nearer(n, at - 1, text, distance))
		at--;
	if (at == NEAREST_KEPT)
		return;
	if (n->n < NEAREST_KEPT)
		n->n++;
	memmove(&n->kept[at + 1], &n->kept[at], (n->n - 1 - at) * sizeof(n->kept[0]));
	n->kept[at].distance = distance;
	n->kept[at].note = note;
	memcpy(n->kept[at].name, text, name.n + 1);
}

void nearest_offer(struct nearest *n, struct str name, const char *note)
{
	nearest_offer_at(n, name, note, nearest_distance(n->wanted, name));
}
