/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/ancestry.h"

static const char special[] = "%,/", digits[] = "0123456789ABCDEF";

enum { NAMES = 3 };

static void put_name(struct buf *b, struct str s)
{
	for (uint32_t i = 0; i < s.n; i++) {
		const unsigned char c = (unsigned char)s.p[i];

		if (c && !strchr(special, c))
			buf_putc(b, s.p[i]);
		else
			buf_printf(b, "%%%02X", c);
	}
}

/* Behind the name: what else it is called. */
static void put_others(struct buf *b, const struct process_desc *p)
{
	const struct str program = process_desc_program(p);
	const bool other_program = !str_eq(program, process_desc_name(p));

	if (!other_program && !p->comm.n)
		return;
	buf_putc(b, '/');
	if (other_program)
		put_name(b, program);
	if (!p->comm.n)
		return;
	buf_putc(b, '/');
	put_name(b, p->comm);
}

char *ancestry_new(const struct process_desc *parent, struct str above)
{
	struct buf b = { 0 };

	put_name(&b, process_desc_name(parent));
	put_others(&b, parent);
	buf_putc(&b, '.');
	annot_put_pid(&b, parent->pid);
	if (above.n) {
		buf_putc(&b, ',');
		buf_put(&b, above.p, above.n);
	}
	/* Whole ones only. */
	if (b.len > ANCESTRY_MAX) {
		const char *end = memrchr(b.p, ',', ANCESTRY_MAX + 1);

		b.len = end ? (size_t)(end - b.p) : 0;
	}
	buf_putc(&b, '\0');
	return b.p;
}

static int digit(char c)
{
	const char *found = c ? strchr(digits, c) : NULL;

	return found ? (int)(found - digits) : -1;
}

/* In place. */
static struct str unescape(char *p, uint32_t n)
{
	struct str s = { p, 0 };

	for (uint32_t i = 0; i < n; i++) {
		const int high = i + 2 < n && p[i] == '%' ? digit(p[i + 1]) : -1;
		const int low = high >= 0 ? digit(p[i + 2]) : -1;

		p[s.n++] = low >= 0 ? (char)(high << 4 | low) : p[i];
		i += low >= 0 ? 2 : 0;
	}
	return s;
}

static struct str take_until(struct str *s, char c)
{
	const char *end = s->n ? memchr(s->p, c, s->n) : NULL;
	const struct str taken = { s->p, end ? (uint32_t)(end - s->p) : s->n };

	s->p += taken.n + (end ? 1 : 0);
	s->n -= taken.n + (end ? 1 : 0);
	return taken;
}

bool ancestry_next(struct str *ancestry, struct ancestor *ret)
{
	const struct str one = take_until(ancestry, ',');
	const char *dot = one.n ? memrchr(one.p, '.', one.n) : NULL;
	struct str left, names[NAMES];

	if (!dot || one.n > sizeof(ret->text))
		return false;
	ret->desc = (struct process_desc){ 0 };
	if (!annot_parse_pid((struct str){ dot + 1, one.n - (uint32_t)(dot + 1 - one.p) }, &ret->desc.pid))
		return false;
	memcpy(ret->text, one.p, one.n);
	left = (struct str){ ret->text, (uint32_t)(dot - one.p) };
	for (unsigned i = 0; i < NAMES; i++) {
		const struct str name = take_until(&left, '/');

		names[i] = unescape(ret->text + (name.p - ret->text), name.n);
	}
	ret->desc.cmd = names[1].n ? names[1] : names[0];
	ret->desc.name = names[1].n ? names[0] : names[1];
	ret->desc.comm = names[2];
	return true;
}
