/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/json_owner.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

enum {
	SLOTS = 512,
	TEXT_MAX = 32768, /* longer ones are made anew for each packet, so that the cache stays below 16 MiB */
	VALUES_MAX = ANNOT_FIELDS_MAX + 32,
};

#define OURS "ptcpdump."

/* A path, "process.pid", and what stands there; path's components before depth have been written. */
struct value {
	const char *path;
	enum { VALUE_NUMBER, VALUE_ID, VALUE_STRING, VALUE_TRUE, VALUE_OBJECT, VALUE_TIME } kind;
	uint64_t number;
	struct str text;
};

struct values {
	struct value v[VALUES_MAX];
	size_t n;
};

struct owner_text {
	uint64_t serial; /* 0: empty */
	size_t split;
	struct buf text; /* members, then ours */
};

struct json_owners {
	struct json_owners_config config;
	struct json_clock clock;
	struct values values;
	struct owner_text slots[SLOTS];
	struct owner_text large;
};

/* --- what is told -------------------------------------------------------------------- */

static void add(struct values *values, struct value v)
{
	if (values->n < VALUES_MAX)
		values->v[values->n++] = v;
}

static bool is_unknown(struct str cmd)
{
	return cmd.n == 0 || str_eq(cmd, str_of(ANNOT_UNKNOWN));
}

/* What a process is called is told also where it follows from its executable. */
static struct str name_of(const struct annotation *a, const struct annot_field *cmd)
{
	const char *at = (const char *)a + cmd->offset - offsetof(struct process_desc, cmd);
	struct process_desc desc;

	memcpy(&desc, at, sizeof(desc));
	return is_unknown(desc.cmd) && !desc.name.n ? (struct str){ 0 } : process_desc_name(&desc);
}

static bool is_name(const struct annot_field *f, const struct annot_field *cmd)
{
	return cmd &&
	       f->offset == cmd->offset - offsetof(struct process_desc, cmd) + offsetof(struct process_desc, name);
}

static void add_pid(struct values *values, const struct annot_field *f, uint32_t pid)
{
	add(values, (struct value){ .path = f->json, .kind = VALUE_NUMBER, .number = pid & ~PID_OUTSIDE });
	if (pid & PID_OUTSIDE && f->bit == ANNOT_PROCESS)
		add(values, (struct value){ .path = OURS "process.outside", .kind = VALUE_TRUE });
}

static void add_string(struct values *values, const struct annot_field *f, struct str text)
{
	if (text.n)
		add(values, (struct value){ .path = f->json,
					    .kind = f->kind == FIELD_JSON ? VALUE_OBJECT : VALUE_STRING,
					    .text = text });
}

static bool is_args(const struct annot_field *f)
{
	static const char args[] = "command_line";
	const size_t n = strlen(f->json);

	return n >= sizeof(args) - 1 && strcmp(f->json + n - (sizeof(args) - 1), args) == 0;
}

static void add_field(const struct json_owners *o, struct values *values, const struct annotation *a,
		      const struct annot_field *f, const struct annot_field *cmd)
{
	switch (f->kind) {
	case FIELD_PID: add_pid(values, f, annot_u32(a, f)); break;
	/* Numbers of users are keywords: they are not counted with. */
	case FIELD_U32: add(values, (struct value){ f->json, VALUE_ID, annot_u32(a, f), { 0 } }); break;
	case FIELD_CMD:
		/* Of a kernel thread and of one without a known path it is a name. */
		if (annot_str(a, f).n && annot_str(a, f).p[0] == '/')
			add_string(values, f, annot_str(a, f));
		break;
	case FIELD_JSON:
		if (o->config.labels)
			add_string(values, f, annot_str(a, f));
		break;
	case FIELD_STR:
		if (is_name(f, cmd))
			add_string(values, f, name_of(a, cmd));
		else if (o->config.args || !is_args(f))
			add_string(values, f, annot_str(a, f));
		break;
	case FIELD_IGNORED: break;
	}
}

static void add_constants(struct values *values, const struct annotation *a)
{
	if (a->has & ANNOT_PROCESS && a->start)
		add(values, (struct value){ "process.start", VALUE_TIME, a->start, { 0 } });
	if (a->has & ANNOT_POD) {
		add(values, (struct value){ "orchestrator.type", VALUE_STRING, 0, str_of("kubernetes") });
		add(values, (struct value){ "orchestrator.resource.type", VALUE_STRING, 0, str_of("pod") });
	}
	if (a->has & ANNOT_PEER_POD) {
		add(values, (struct value){ OURS "peer.orchestrator.type", VALUE_STRING, 0, str_of("kubernetes") });
		add(values, (struct value){ OURS "peer.orchestrator.resource.type", VALUE_STRING, 0, str_of("pod") });
	}
}

static void collect(struct json_owners *o, const struct annotation *a)
{
	const struct annot_schema *s = &annotation_schema;
	const struct annot_field *cmd = NULL;

	o->values.n = 0;
	for (size_t i = 0; i < s->nfields; i++) {
		const struct annot_field *f = &s->fields[i];

		if (f->kind == FIELD_CMD)
			cmd = f;
		if (f->json && a->has & f->bit)
			add_field(o, &o->values, a, f, cmd);
	}
	add_constants(&o->values, a);
}

/* --- how ------------------------------------------------------------------------------- */

struct label {
	struct str key; /* as it is written */
	const cJSON *item;
};

static int by_key(const void *a, const void *b)
{
	const struct label *x = a, *y = b;
	const uint32_t n = x->key.n < y->key.n ? x->key.n : y->key.n;
	const int order = memcmp(x->key.p, y->key.p, n);

	return order ? order : (x->key.n > y->key.n) - (x->key.n < y->key.n);
}

/* A label's value is a string, whatever a file has there. */
static void put_label_value(struct buf *b, const cJSON *item)
{
	char *text = cJSON_IsString(item) ? NULL : cJSON_PrintUnformatted(item);

	json_put_string(b, str_of(text ? text : cJSON_IsString(item) ? item->valuestring : ""));
	cJSON_free(text);
}

/* Two that differ in what is no UTF-8 only are the same when they are written. */
static void put_keys(struct buf *keys, struct label *labels, const cJSON *object)
{
	const cJSON *item;
	size_t i = 0, at = 0;

	cJSON_ArrayForEach(item, object) {
		json_put_string(keys, str_of(item->string));
		labels[i].item = item;
		labels[i++].key.n = (uint32_t)(keys->len - at);
		at = keys->len;
	}
	at = 0;
	for (size_t k = 0; k < i; k++) {
		labels[k].key.p = keys->p + at;
		at += labels[k].key.n;
	}
}

/* A key once, since readers differ in what they make of a second one. */
static void put_labels(struct buf *b, const cJSON *object)
{
	const size_t n = (size_t)cJSON_GetArraySize(object);
	struct label *labels = calloc(n + 1, sizeof(*labels));
	struct buf keys = { 0 };

	buf_putc(b, '{');
	if (labels) {
		put_keys(&keys, labels, object);
		qsort(labels, n, sizeof(*labels), by_key);
	}
	for (size_t i = 0; labels && i < n; i++) {
		if (i && str_eq(labels[i].key, labels[i - 1].key))
			continue;
		if (i)
			buf_putc(b, ',');
		buf_put(b, labels[i].key.p, labels[i].key.n);
		buf_putc(b, ':');
		put_label_value(b, labels[i].item);
	}
	buf_putc(b, '}');
	buf_done(&keys);
	free(labels);
}

/* What is no object stands there as an empty one. */
static void put_object(struct buf *b, struct str text)
{
	cJSON *object = cJSON_ParseWithLength(text.p, text.n);

	if (cJSON_IsObject(object))
		put_labels(b, object);
	else
		JSON_PUT(b, "{}");
	cJSON_Delete(object);
}

static void put_value(struct json_owners *o, struct buf *b, const struct value *v)
{
	switch (v->kind) {
	case VALUE_NUMBER: json_put_number(b, v->number); break;
	case VALUE_ID: json_put_id(b, (uint32_t)v->number); break;
	case VALUE_STRING: json_put_string(b, v->text); break;
	case VALUE_TRUE: JSON_PUT(b, "true"); break;
	case VALUE_OBJECT: put_object(b, v->text); break;
	case VALUE_TIME: json_put_time(b, &o->clock, v->number); break;
	}
}

/* The members behind the first at bytes, which all of these paths share, each with a comma in front. */
static void put_members(struct json_owners *o, struct buf *b, const struct value **v, size_t n, size_t at)
{
	while (n) {
		const char *word = v[0]->path + at;
		const size_t len = strcspn(word, ".");
		size_t same = 0, others = 0;
		const struct value *first[VALUES_MAX];

		/* Those of the same word come first, the order is kept. */
		for (size_t i = 0; i < n; i++) {
			if (strncmp(v[i]->path + at, word, len) == 0 && strcspn(v[i]->path + at, ".") == len)
				first[same++] = v[i];
			else
				v[others++] = v[i];
		}
		buf_putc(b, ',');
		json_put_string(b, (struct str){ word, (uint32_t)len });
		buf_putc(b, ':');
		if (word[len] == '\0') {
			put_value(o, b, first[0]);
		} else {
			const size_t inside = b->len;

			put_members(o, b, first, same, at + len + 1);
			b->p[inside] = '{';
			buf_putc(b, '}');
		}
		n = others;
	}
}

static void put_those(struct json_owners *o, struct buf *b, bool ours)
{
	const struct value *v[VALUES_MAX];
	const size_t skip = sizeof(OURS) - 1;
	size_t n = 0;

	for (size_t i = 0; i < o->values.n; i++) {
		if ((strncmp(o->values.v[i].path, OURS, skip) == 0) == ours)
			v[n++] = &o->values.v[i];
	}
	put_members(o, b, v, n, ours ? skip : 0);
}

static void make_text(struct json_owners *o, struct owner_text *t, const struct annotation *a)
{
	collect(o, a);
	t->text.len = 0;
	put_those(o, &t->text, false);
	t->split = t->text.len;
	put_those(o, &t->text, true);
}

static struct json_owner parts(const struct owner_text *t)
{
	return (struct json_owner){
		.members = { t->text.p, (uint32_t)t->split },
		.ours = { t->text.p + t->split, (uint32_t)(t->text.len - t->split) },
	};
}

struct json_owner json_owners_make(struct json_owners *o, const struct annotation *a)
{
	make_text(o, &o->large, a);
	return parts(&o->large);
}

struct json_owner json_owners_get(struct json_owners *o, const struct annotation *a)
{
	struct owner_text *t = &o->slots[a->serial % SLOTS];

	if (t->serial == a->serial)
		return parts(t);
	make_text(o, &o->large, a);
	if (o->large.text.len > TEXT_MAX)
		return parts(&o->large);
	t->serial = a->serial;
	t->split = o->large.split;
	t->text.len = 0;
	buf_put(&t->text, o->large.text.p, o->large.text.len);
	return parts(t);
}

void json_owners_clear(struct json_owners *o)
{
	for (size_t i = 0; i < SLOTS; i++)
		o->slots[i].serial = 0;
}

struct json_owners *json_owners_new(const struct json_owners_config *config)
{
	struct json_owners *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->config = *config;
	/* So that an empty text is an empty string, not a null pointer. */
	buf_reserve(&o->large.text, 1);
	for (size_t i = 0; i < SLOTS; i++)
		buf_reserve(&o->slots[i].text, 1);
	return o;
}

void json_owners_free(struct json_owners *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		buf_done(&o->slots[i].text);
	buf_done(&o->large.text);
	free(o);
}
