/* SPDX-License-Identifier: BSD-3-Clause */
#include "format/comments.h"

#include <errno.h>
#include <ptcpdump/event.h>
#include <stdlib.h>

#include "format/pcapng.h"

/* Encoding. */

static size_t backslashes(struct str s, size_t at)
{
	size_t n = 0;

	while (at + n < s.n && s.p[at + n] == '\\')
		n++;
	return n;
}

static void put_times(struct buf *b, char c, size_t n)
{
	char *p = buf_reserve(b, n);

	memset(p, c, n);
	b->len += n;
}

static void put_escaped(struct buf *b, struct str s)
{
	size_t i = 0;

	if (s.n == 0)
		return;
	if (!memchr(s.p, '\n', s.n) && !memchr(s.p, '\\', s.n)) {
		buf_put(b, s.p, s.n);
		return;
	}
	while (i < s.n) {
		const size_t run = backslashes(s, i);
		const char next = i + run < s.n ? s.p[i + run] : '\0';

		i += run;
		if (next == '\n') {
			put_times(b, '\\', 2 * run);
			buf_put(b, "\\n", 2);
			i++;
		} else if (next == 'n') {
			put_times(b, '\\', 2 * run);
			buf_put(b, "n", 1);
			i++;
		} else {
			put_times(b, '\\', run);
			if (i < s.n)
				buf_put(b, &s.p[i++], 1);
		}
	}
}

static void put_json(struct buf *b, struct str json)
{
	const size_t start = b->len;

	if (json.n)
		buf_put(b, json.p, json.n);
	else
		buf_put(b, "{}", 2);
	/* White space: inside the strings of JSON text a newline is \n already. */
	for (size_t i = start; i < b->len; i++) {
		if (b->p[i] == '\n')
			b->p[i] = ' ';
	}
}

static void put_value(struct buf *b, const struct annotation *a, const struct annot_field *f)
{
	switch (f->kind) {
	case FIELD_U32:
	case FIELD_PID: annot_put_number(b, a, f); break;
	case FIELD_STR:
	case FIELD_CMD: put_escaped(b, annot_str(a, f)); break;
	case FIELD_JSON: put_json(b, annot_str(a, f)); break;
	case FIELD_IGNORED: break;
	}
}

/* Shortens a value that starts at start to at most max bytes, ends it in "...", and leaves neither half a character nor
 * half an escape. */
static void cut_value(struct buf *b, size_t start, size_t max)
{
	size_t end = start + max - 3;

	while (end > start && ((unsigned char)b->p[end] & 0xc0) == 0x80)
		end--;
	while (end > start && b->p[end - 1] == '\\')
		end--;
	b->len = end;
	buf_put(b, "...", 3);
}

/* How long a value may be so that all fit into room: longer ones share what the shorter ones leave. */
static size_t fair_share(const size_t *lens, size_t n, size_t room)
{
	size_t share = room / n;

	for (size_t round = 0; round < n; round++) {
		size_t used = 0, longer = 0;

		for (size_t i = 0; i < n; i++) {
			if (lens[i] <= share)
				used += lens[i];
			else
				longer++;
		}
		if (longer == 0)
			break;
		share = (room - used) / longer;
	}
	return share;
}

static bool is_saved(const struct annotation *a, const struct annot_field *f)
{
	if (!f->key || f->kind == FIELD_IGNORED)
		return false;
	return annot_is_told(a, f);
}

/* Returns how many, and the bytes that are not of a value. */
static size_t put_lines(struct buf *b, const struct annotation *a, struct annot_run run, size_t share, size_t *lens,
			size_t *overhead)
{
	size_t n = 0;

	*overhead = 0;
	for (const struct annot_field *f = run.start; f < run.end; f++) {
		const size_t before = b->len;
		size_t start;

		if (!is_saved(a, f))
			continue;
		if (n)
			buf_put(b, "\n", 1);
		buf_puts(b, f->key);
		buf_put(b, ": ", 2);
		start = b->len;
		*overhead += start - before;
		put_value(b, a, f);
		lens[n] = b->len - start;
		if (share && lens[n] > share)
			cut_value(b, start, share);
		n++;
	}
	return n;
}

static void put_comment(struct buf *b, const struct annotation *a, struct annot_run run)
{
	static const char zeros[4];
	const size_t start = b->len;
	size_t lens[ANNOT_FIELDS_MAX], overhead, len, n;
	uint16_t header[2] = { OPT_COMMENT, 0 };

	buf_put(b, header, sizeof(header));
	n = put_lines(b, a, run, 0, lens, &overhead);
	if (n == 0) {
		b->len = start;
		return;
	}
	len = b->len - start - sizeof(header);
	if (len > PCAPNG_OPTION_MAX) {
		const size_t share = fair_share(lens, n, PCAPNG_OPTION_MAX - overhead);

		b->len = start + sizeof(header);
		put_lines(b, a, run, share, lens, &overhead);
		len = b->len - start - sizeof(header);
	}
	header[1] = (uint16_t)len;
	memcpy(b->p + start, header, sizeof(header));
	buf_put(b, zeros, pad4(len) - len);
}

void annotation_encode(const struct annot_schema *s, struct buf *b, const struct annotation *a, unsigned context)
{
	const unsigned bits = a->has & context;

	for (struct annot_run run = annot_run_from(s, s->fields); run.start < run.end;
	     run = annot_run_from(s, run.end)) {
		if (bits & run.start->bit)
			put_comment(b, a, run);
	}
}

/* Decoding. */

static bool key_is(struct str line, const char *key, struct str *value)
{
	size_t n;

	if (!key || line.n == 0 || line.p[0] != key[0])
		return false;
	n = strlen(key);
	if (line.n <= n || memcmp(line.p, key, n) != 0 || line.p[n] != ':')
		return false;
	value->p = line.p + n + 1;
	value->n = line.n - (uint32_t)n - 1;
	if (value->n && value->p[0] == ' ') {
		value->p++;
		value->n--;
	}
	return true;
}

static const struct annot_field *find_field(struct annot_run run, struct str line, struct str *value)
{
	for (const struct annot_field *f = run.start; f < run.end; f++) {
		if (key_is(line, f->key, value) || key_is(line, f->alias, value))
			return f;
	}
	return NULL;
}

/* All the rows that may stand in one comment with f. */
static struct annot_run run_of(const struct annot_schema *s, const struct annot_field *f)
{
	while (f > s->fields && f[-1].bit == f->bit)
		f--;
	return annot_run_from(s, f);
}

/*
 * The field that a comment begins with. What may be absent begins none, unless nothing else is in its comment: a note
 * "Name: ..." is no process.
 */
static const struct annot_field *first_field(const struct annot_schema *s, struct str line, struct str *value)
{
	const struct annot_field *f = find_field((struct annot_run){ s->fields, s->fields + s->nfields }, line, value);

	return f && f->optional && !run_of(s, f).start->optional ? NULL : f;
}

static struct str next_line(struct str *rest)
{
	const char *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
	struct str line = { rest->p, end ? (uint32_t)(end - rest->p) : rest->n };
	const uint32_t used = line.n + (end ? 1 : 0);

	rest->p += used;
	rest->n -= used;
	return line;
}

static uint32_t unescape(char *out, struct str s)
{
	char *const start = out;

	for (size_t i = 0; i < s.n;) {
		const size_t run = backslashes(s, i);
		const bool escape = i + run < s.n && s.p[i + run] == 'n' && run;

		for (size_t k = 0; k < (escape ? run / 2 : run); k++)
			*out++ = '\\';
		i += run;
		if (i < s.n) {
			*out++ = escape && run % 2 ? '\n' : s.p[i];
			i++;
		}
	}
	return (uint32_t)(out - start);
}

/* Stores a value; strings move to *text, which advances. */
static bool set_field(struct annotation *a, const struct annot_field *f, struct str value, char **text)
{
	void *at = (char *)a + f->offset;
	struct str s = { *text, value.n };
	uint32_t v;

	switch (f->kind) {
	case FIELD_U32:
	case FIELD_PID:
		if (!(f->kind == FIELD_PID ? annot_parse_pid(value, &v) : annot_parse_u32(value, &v)))
			return false;
		memcpy(at, &v, sizeof(v));
		return true;
	case FIELD_STR:
	case FIELD_CMD: s.n = unescape(*text, value); break;
	case FIELD_JSON: memcpy(*text, value.p, value.n); break;
	case FIELD_IGNORED: return true;
	}
	memcpy(at, &s, sizeof(s));
	*text += s.n;
	return true;
}

/* A process without its number, or a user of whom only the name is known, is none. */
static bool makes_present(struct annot_run run, const struct annot_field *f)
{
	if (f->kind == FIELD_IGNORED || f->optional)
		return false;
	return f == run.start || annot_is_string(run.start);
}

/*
 * Only the keys of one group count in a comment, each once: the older program did not escape newlines, and an argument of
 * a process must not pass for the parent's or the container's line. What is no key continues the value before it.
 */
static void parse_comment(const struct annot_schema *s, struct annotation *a, struct str comment, uint64_t *seen_runs,
			  char **text)
{
	struct str rest = comment, line = next_line(&rest), value = { 0 };
	const struct annot_field *f = first_field(s, line, &value);
	struct annot_run run;
	uint64_t seen = 0;

	if (!f)
		return;
	run = run_of(s, f);
	if (*seen_runs & UINT64_C(1) << (run.start - s->fields))
		return;
	*seen_runs |= UINT64_C(1) << (run.start - s->fields);
	while (f) {
		const struct annot_field *next = NULL;
		struct str next_value = { 0 };

		seen |= UINT64_C(1) << (f - run.start);
		while (rest.n && !next) {
			line = next_line(&rest);
			next = find_field(run, line, &next_value);
			if (next && seen & UINT64_C(1) << (next - run.start))
				next = NULL;
			if (!next)
				value.n = (uint32_t)(line.p + line.n - value.p);
		}
		if (set_field(a, f, value, text) && makes_present(run, f))
			a->has |= f->bit;
		f = next;
		value = next_value;
	}
}

unsigned annotation_group(const struct annot_schema *s, struct str comment)
{
	struct str value;
	const struct annot_field *f = first_field(s, next_line(&comment), &value);

	return f ? f->bit : 0;
}

int annotation_decode(const struct annot_schema *s, struct annotation **ret, const uint8_t *options, size_t len,
		      uint64_t serial)
{
	struct pcapng_options o = { options, options + len };
	struct annotation *a;
	const uint8_t *value;
	uint64_t seen_runs = 0;
	uint16_t code, n;
	char *text;

	*ret = NULL;
	a = calloc(1, s->size + len);
	if (!a)
		return -ENOMEM;
	text = (char *)a + s->size;
	while (pcapng_next_option(&o, &code, &value, &n)) {
		if (code == OPT_COMMENT)
			parse_comment(s, a, (struct str){ (const char *)value, n }, &seen_runs, &text);
	}
	if (!a->has) {
		free(a);
		return 0;
	}
	a->serial = serial;
	*ret = a;
	return 0;
}
