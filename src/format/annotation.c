/* SPDX-License-Identifier: BSD-3-Clause */
#include "format/annotation.h"

#include <errno.h>
#include <stdlib.h>

#include "format/pcapng.h"

enum { MAX_FIELDS = 5 };

enum field_kind {
	FIELD_U32,
	FIELD_STR,
	FIELD_JSON,    /* verbatim: a newline in JSON text is white space, strings hold \n already */
	FIELD_IGNORED, /* written by the older program; it has no place here */
};

struct field {
	const char *key;
	const char *alias; /* also read, never written */
	enum field_kind kind;
	size_t offset;
};

/* One comment. */
struct group {
	unsigned bit;
	const struct field *extra; /* read only */
	struct field fields[MAX_FIELDS];
};

#define FIELD(k, a, t, m)                                                                                              \
	{                                                                                                              \
		k, a, t, offsetof(struct annotation, m)                                                                \
	}

static const struct field group_id = { "GroupId", NULL, FIELD_IGNORED, 0 };

/* In the order of the file. */
static const struct group groups[] = {
	{ ANNOT_PROCESS,
	  NULL,
	  { FIELD("PID", NULL, FIELD_U32, process.pid), FIELD("Cmd", "Command", FIELD_STR, process.cmd),
	    FIELD("Args", NULL, FIELD_STR, process.args) } },
	{ ANNOT_THREAD,
	  NULL,
	  { FIELD("ThreadId", "TID", FIELD_U32, tid), FIELD("ThreadName", NULL, FIELD_STR, thread) } },
	{ ANNOT_USER, &group_id, { FIELD("UserId", NULL, FIELD_U32, uid) } },
	{ ANNOT_PARENT,
	  NULL,
	  { FIELD("ParentPID", NULL, FIELD_U32, parent.pid), FIELD("ParentCmd", "ParentCommand", FIELD_STR, parent.cmd),
	    FIELD("ParentArgs", NULL, FIELD_STR, parent.args) } },
	{ ANNOT_CONTAINER,
	  NULL,
	  { FIELD("ContainerName", NULL, FIELD_STR, container.name),
	    FIELD("ContainerId", NULL, FIELD_STR, container.id),
	    FIELD("ContainerImage", NULL, FIELD_STR, container.image),
	    FIELD("ContainerLabels", NULL, FIELD_JSON, container.labels) } },
	{ ANNOT_POD,
	  NULL,
	  { FIELD("PodName", NULL, FIELD_STR, pod.name), FIELD("PodNamespace", NULL, FIELD_STR, pod.namespace),
	    FIELD("PodUID", NULL, FIELD_STR, pod.uid), FIELD("PodLabels", NULL, FIELD_JSON, pod.labels),
	    FIELD("PodAnnotations", NULL, FIELD_JSON, pod.annotations) } },
	/* A comment of its own, so that readers that know the user comment as a single number find it so. */
	{ ANNOT_USER, NULL, { FIELD("UserName", NULL, FIELD_STR, user) } },
	{ ANNOT_PEER,
	  NULL,
	  { FIELD("PeerPID", NULL, FIELD_U32, peer.pid), FIELD("PeerCmd", NULL, FIELD_STR, peer.cmd),
	    FIELD("PeerArgs", NULL, FIELD_STR, peer.args) } },
	{ ANNOT_PEER_CONTAINER,
	  NULL,
	  { FIELD("PeerContainerName", NULL, FIELD_STR, peer_container.name),
	    FIELD("PeerContainerId", NULL, FIELD_STR, peer_container.id) } },
	{ ANNOT_PEER_POD,
	  NULL,
	  { FIELD("PeerPodName", NULL, FIELD_STR, peer_pod.name),
	    FIELD("PeerPodNamespace", NULL, FIELD_STR, peer_pod.namespace) } },
};

enum { NGROUPS = sizeof(groups) / sizeof(groups[0]) };

static const void *field_ptr(const struct annotation *a, const struct field *f)
{
	return (const char *)a + f->offset;
}

static struct str field_str(const struct annotation *a, const struct field *f)
{
	struct str s;

	memcpy(&s, field_ptr(a, f), sizeof(s));
	return s;
}

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

static void put_value(struct buf *b, const struct annotation *a, const struct field *f)
{
	uint32_t v;

	switch (f->kind) {
	case FIELD_U32:
		memcpy(&v, field_ptr(a, f), sizeof(v));
		buf_printf(b, "%u", v);
		break;
	case FIELD_STR: put_escaped(b, field_str(a, f)); break;
	case FIELD_JSON: {
		const struct str s = field_str(a, f);
		const size_t start = b->len;

		if (s.n)
			buf_put(b, s.p, s.n);
		else
			buf_put(b, "{}", 2);
		for (size_t i = start; i < b->len; i++) {
			if (b->p[i] == '\n')
				b->p[i] = ' ';
		}
		break;
	}
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

static void put_lines(struct buf *b, const struct annotation *a, const struct group *g, size_t share, size_t *lens,
		      size_t *overhead)
{
	for (size_t i = 0; i < MAX_FIELDS && g->fields[i].key; i++) {
		const struct field *f = &g->fields[i];
		const size_t before = b->len;
		size_t start;

		if (i)
			buf_put(b, "\n", 1);
		buf_puts(b, f->key);
		buf_put(b, ": ", 2);
		start = b->len;
		*overhead += start - before;
		put_value(b, a, f);
		lens[i] = b->len - start;
		if (share && lens[i] > share)
			cut_value(b, start, share);
	}
}

static void put_group(struct buf *b, const struct annotation *a, const struct group *g)
{
	static const char zeros[4];
	const size_t start = b->len;
	size_t lens[MAX_FIELDS] = { 0 }, overhead = 0, len;
	uint16_t header[2] = { OPT_COMMENT, 0 };

	buf_put(b, header, sizeof(header));
	put_lines(b, a, g, 0, lens, &overhead);
	len = b->len - start - sizeof(header);
	if (len > PCAPNG_OPTION_MAX) {
		const size_t share = fair_share(lens, MAX_FIELDS, PCAPNG_OPTION_MAX - overhead);

		b->len = start + sizeof(header);
		put_lines(b, a, g, share, lens, &overhead);
		len = b->len - start - sizeof(header);
	}
	header[1] = (uint16_t)len;
	memcpy(b->p + start, header, sizeof(header));
	buf_put(b, zeros, pad4(len) - len);
}

void annotation_encode(struct buf *b, const struct annotation *a, unsigned context)
{
	for (size_t i = 0; i < NGROUPS; i++) {
		const struct group *g = &groups[i];

		if (!(a->has & context & g->bit))
			continue;
		if (g->fields[0].offset == offsetof(struct annotation, user) && !a->user.n)
			continue;
		put_group(b, a, g);
	}
}

/* Decoding. */

static bool key_is(struct str line, const char *key, struct str *value)
{
	const size_t n = key ? strlen(key) : 0;

	if (!n || line.n <= n || memcmp(line.p, key, n) != 0 || line.p[n] != ':')
		return false;
	value->p = line.p + n + 1;
	value->n = line.n - (uint32_t)n - 1;
	if (value->n && value->p[0] == ' ') {
		value->p++;
		value->n--;
	}
	return true;
}

static const struct field *find_field(const struct group *g, struct str line, struct str *value)
{
	for (size_t i = 0; i < MAX_FIELDS && g->fields[i].key; i++) {
		if (key_is(line, g->fields[i].key, value) || key_is(line, g->fields[i].alias, value))
			return &g->fields[i];
	}
	if (g->extra && key_is(line, g->extra->key, value))
		return g->extra;
	return NULL;
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

static bool parse_u32(struct str s, uint32_t *ret)
{
	uint64_t v = 0;

	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\r'))
		s.n--;
	if (s.n == 0 || s.n > 10)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	if (v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* Stores a value; strings move to *text, which advances. */
static bool set_field(struct annotation *a, const struct field *f, struct str value, char **text)
{
	void *at = (char *)a + f->offset;
	struct str s = { *text, value.n };
	uint32_t v;

	switch (f->kind) {
	case FIELD_U32:
		if (!parse_u32(value, &v))
			return false;
		memcpy(at, &v, sizeof(v));
		return true;
	case FIELD_STR: s.n = unescape(*text, value); break;
	case FIELD_JSON: memcpy(*text, value.p, value.n); break;
	case FIELD_IGNORED: return true;
	}
	memcpy(at, &s, sizeof(s));
	*text += s.n;
	return true;
}

static const struct group *find_group(struct str line)
{
	struct str value;

	for (size_t i = 0; i < NGROUPS; i++) {
		if (find_field(&groups[i], line, &value))
			return &groups[i];
	}
	return NULL;
}

static unsigned field_bit(const struct group *g, const struct field *f)
{
	return f == g->extra ? 1u << MAX_FIELDS : 1u << (f - g->fields);
}

/* A process without its number, or a user of whom only the name is known, is none. */
static bool makes_present(const struct group *g, const struct field *f)
{
	if (f == g->extra || f->offset == offsetof(struct annotation, user))
		return false;
	return f == &g->fields[0] || g->fields[0].kind != FIELD_U32;
}

/*
 * Only the keys of one group count in a comment, each once: the older program did not escape newlines, and an argument of
 * a process must not pass for the parent's or the container's line. What is no key continues the value before it.
 */
static void parse_comment(struct annotation *a, struct str comment, unsigned *seen_groups, char **text)
{
	struct str rest = comment, line = next_line(&rest), value = { 0 };
	const struct group *g = find_group(line);
	const struct field *f = g ? find_field(g, line, &value) : NULL;
	unsigned seen = 0;

	if (!g || *seen_groups & 1u << (g - groups))
		return;
	*seen_groups |= 1u << (g - groups);
	while (f) {
		const struct field *next = NULL;
		struct str next_value = { 0 };

		seen |= field_bit(g, f);
		while (rest.n && !next) {
			line = next_line(&rest);
			next = find_field(g, line, &next_value);
			if (next && seen & field_bit(g, next))
				next = NULL;
			if (!next)
				value.n = (uint32_t)(line.p + line.n - value.p);
		}
		if (set_field(a, f, value, text) && makes_present(g, f))
			a->has |= g->bit;
		f = next;
		value = next_value;
	}
}

unsigned annotation_group(struct str comment)
{
	const struct group *g = find_group(next_line(&comment));

	return g ? g->bit : 0;
}

int annotation_decode(struct annotation **ret, const uint8_t *options, size_t len, uint64_t serial)
{
	struct pcapng_options o = { options, options + len };
	struct annotation *a;
	const uint8_t *value;
	unsigned seen_groups = 0;
	uint16_t code, n;
	char *text;

	*ret = NULL;
	a = calloc(1, sizeof(*a) + len);
	if (!a)
		return -ENOMEM;
	text = (char *)(a + 1);
	while (pcapng_next_option(&o, &code, &value, &n)) {
		if (code == OPT_COMMENT)
			parse_comment(a, (struct str){ (const char *)value, n }, &seen_groups, &text);
	}
	if (!a->has) {
		free(a);
		return 0;
	}
	a->serial = serial;
	*ret = a;
	return 0;
}
