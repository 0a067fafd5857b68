/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/json_put.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>

#include "util/clock.h"
#include "util/utf8.h"

/* Those that are not copied. */
static const uint8_t special[256] = {
	[0 ... 0x1f] = 1,
	['"'] = 1,
	['\\'] = 1,
	[0x7f ... 0xff] = 1,
};

/* c < 0x10000 */
static void put_escape(struct buf *b, unsigned c)
{
	char text[6] = "\\u";

	for (unsigned i = 0; i < 4; i++)
		text[2 + i] = "0123456789abcdef"[c >> 4 * (3 - i) & 15];
	buf_put(b, text, sizeof(text));
}

/* A terminal may obey the controls behind ASCII, and the formats turn what follows round, or hide. */
static bool is_unseen(unsigned c)
{
	return (c >= 0x80 && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x180e || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

static size_t put_wide(struct buf *b, const uint8_t *p, size_t left)
{
	const size_t n = utf8_char((const char *)p, left);
	unsigned c = 0;

	if (n == 2)
		c = (p[0] & 0x1fU) << 6 | (p[1] & 0x3fU);
	else if (n == 3)
		c = (p[0] & 0xfU) << 12 | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU);
	if (n == 0)
		buf_put(b, UTF8_REPLACEMENT, sizeof(UTF8_REPLACEMENT) - 1);
	else if (is_unseen(c))
		put_escape(b, c);
	else
		buf_put(b, p, n);
	return n ? n : 1;
}

static size_t put_special(struct buf *b, const uint8_t *p, size_t left)
{
	switch (*p) {
	case '"': JSON_PUT(b, "\\\""); break;
	case '\\': JSON_PUT(b, "\\\\"); break;
	case '\n': JSON_PUT(b, "\\n"); break;
	case '\r': JSON_PUT(b, "\\r"); break;
	case '\t': JSON_PUT(b, "\\t"); break;
	default:
		if (*p >= 0x80)
			return put_wide(b, p, left);
		put_escape(b, *p);
	}
	return 1;
}

void json_put_string(struct buf *b, struct str s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	size_t i = 0, from = 0;

	buf_putc(b, '"');
	while (i < s.n) {
		if (!special[p[i]]) {
			i++;
			continue;
		}
		buf_put(b, p + from, i - from);
		i += put_special(b, p + i, s.n - i);
		from = i;
	}
	if (i > from)
		buf_put(b, p + from, i - from);
	buf_putc(b, '"');
}

void json_put_number(struct buf *b, uint64_t v)
{
	char *d;

	if (v > UINT32_MAX) {
		buf_printf(b, "%llu", (unsigned long long)v);
		return;
	}
	d = buf_reserve(b, DECIMAL_ROOM);
	b->len += (size_t)(decimal_put(d, (uint32_t)v) - d);
}

static void clock_set(struct json_clock *c, uint64_t sec)
{
	const time_t when = (time_t)sec;
	struct tm tm;

	/* All of a struct packet's times have a year of four digits: packet_ns(). */
	gmtime_r(&when, &tm);
	c->len = strftime(c->text, sizeof(c->text), "\"%Y-%m-%dT%H:%M:%S.", &tm);
	c->sec = sec;
}

void json_put_time(struct buf *b, struct json_clock *c, uint64_t ns)
{
	const uint64_t sec = ns / NSEC_PER_SEC;
	const uint32_t fraction = (uint32_t)(ns % NSEC_PER_SEC);
	char *d;

	if (c->len == 0 || c->sec != sec)
		clock_set(c, sec);
	d = buf_reserve(b, sizeof(c->text) + 16);
	memcpy(d, c->text, sizeof(c->text));
	d += c->len;
	*d++ = (char)('0' + fraction / DECIMAL_EIGHT);
	d = decimal_put_digits(d, fraction % DECIMAL_EIGHT, 8);
	*d++ = 'Z';
	*d++ = '"';
	b->len = (size_t)(d - b->p);
}

static char *put_ipv4(char *d, const uint8_t *address)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			*d++ = '.';
		d = decimal_put(d, address[i]);
	}
	return d;
}

void json_put_ip(struct buf *b, unsigned family, const uint8_t *address)
{
	char *d = buf_reserve(b, INET6_ADDRSTRLEN + 2 + DECIMAL_ROOM);

	*d++ = '"';
	if (family == 4) {
		d = put_ipv4(d, address);
	} else {
		inet_ntop(AF_INET6, address, d, INET6_ADDRSTRLEN);
		d += strlen(d);
	}
	*d++ = '"';
	b->len = (size_t)(d - b->p);
}

void json_put_mac(struct buf *b, const uint8_t *mac)
{
	static const char digits[] = "0123456789ABCDEF";
	char text[6 * 3 + 1] = "\"", *d = text + 1;

	for (int i = 0; i < 6; i++) {
		*d++ = digits[mac[i] >> 4];
		*d++ = digits[mac[i] & 15];
		*d++ = i < 5 ? '-' : '"';
	}
	buf_put(b, text, sizeof(text));
}

void json_put_word(struct buf *b, const char *word)
{
	buf_putc(b, '"');
	buf_puts(b, word);
	buf_putc(b, '"');
}

void json_put_id(struct buf *b, uint32_t v)
{
	buf_putc(b, '"');
	json_put_number(b, v);
	buf_putc(b, '"');
}

struct json_object json_open(struct buf *b, const char *name)
{
	struct json_object object = { .start = b->len };

	buf_putc(b, ',');
	json_put_word(b, name);
	buf_putc(b, ':');
	object.inside = b->len;
	return object;
}

void json_close(struct buf *b, struct json_object object)
{
	if (b->len == object.inside) {
		b->len = object.start;
		return;
	}
	b->p[object.inside] = '{';
	buf_putc(b, '}');
}
