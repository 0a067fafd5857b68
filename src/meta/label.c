/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/label.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "util/buf.h"

static int label_compare(const void *a, const void *b)
{
	return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

/* The escapes of RFC 8259 section 7; C1 controls too, since terminals obey them. */
static void put_char(struct buf *out, const unsigned char *s, size_t n)
{
	static const char short_escapes[] = "b\bf\fn\nr\rt\t\"\"\\\\";

	if (n == 0) {
		buf_puts(out, "\xef\xbf\xbd"); /* U+FFFD */
		return;
	}
	for (size_t i = 0; n == 1 && i + 1 < sizeof(short_escapes); i += 2) {
		if (s[0] == (unsigned char)short_escapes[i + 1]) {
			buf_put(out, (char[]){ '\\', short_escapes[i] }, 2);
			return;
		}
	}
	if (n == 1 && (s[0] < 0x20 || s[0] == 0x7f))
		buf_printf(out, "\\u%04x", s[0]);
	else if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0)
		buf_printf(out, "\\u%04x", s[1]);
	else
		buf_put(out, s, n);
}

static void put_string(struct buf *out, const char *text, size_t max)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t len = strnlen(text, max + 1);
	size_t i = 0;

	buf_put(out, "\"", 1);
	while (i < len) {
		int32_t c;
		const ssize_t length = utf8proc_iterate(s + i, (ssize_t)(len - i), &c);
		const size_t n = length > 0 ? (size_t)length : 0, step = n ? n : 1;

		if (len > max && i + step > max)
			break;
		put_char(out, s + i, n);
		i += step;
	}
	buf_puts(out, i < len ? "...\"" : "\"");
}

char *label_json(struct label *labels, size_t n)
{
	struct buf out = { 0 };
	size_t left_out = 0;
	char *text;

	if (n > 1)
		qsort(labels, n, sizeof(*labels), label_compare);
	buf_put(&out, "{", 1);
	for (size_t i = 0; i < n; i++) {
		const size_t before = out.len;

		if (before > 1)
			buf_put(&out, ",", 1);
		put_string(&out, labels[i].key, LABEL_KEY_MAX);
		buf_put(&out, ":", 1);
		put_string(&out, labels[i].value ? labels[i].value : "", LABEL_VALUE_MAX);
		if (out.len > LABEL_JSON_MAX - 64) {
			out.len = before;
			left_out++;
		}
	}
	if (left_out)
		buf_printf(&out, "%s\"...\":\"%zu more\"", out.len > 1 ? "," : "", left_out);
	buf_put(&out, "}", 2); /* with its NUL */
	text = strdup(out.p);
	buf_done(&out);
	return text;
}

const char *label_get(const struct label *labels, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(labels[i].key, key) == 0)
			return labels[i].value;
	}
	return NULL;
}
