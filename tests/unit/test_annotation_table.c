/* SPDX-License-Identifier: BSD-3-Clause */
/* The table is whole, and a field is nothing but its row: here a service's unit, once in a group that is there already
 * and once in a group of its own. */
#include <stdlib.h>

#include "annotation.h"
#include "check.h"
#include "format/comments.h"
#include "format/pcapng.h"
#include "output/text_fields.h"

enum { GROUPS_MAX = 24, ANNOT_SERVICE = ANNOT_ALL + 1 };

struct extended {
	struct annotation annot;
	struct str unit;
};

static struct annot_field fields[ANNOT_FIELDS_MAX];
static struct annot_group groups[GROUPS_MAX];
static struct annot_schema schema;

/* What is in the program, and this row. */
static void add_field(struct annot_field row)
{
	schema = annotation_schema;
	memcpy(fields, schema.fields, schema.nfields * sizeof(fields[0]));
	memcpy(groups, schema.groups, schema.ngroups * sizeof(groups[0]));
	schema.fields = fields;
	schema.groups = groups;
	schema.size = sizeof(struct extended);
	fields[schema.nfields++] = row;
}

static void add_to_process(void)
{
	add_field((struct annot_field){ .bit = ANNOT_PROCESS,
					.kind = FIELD_STR,
					.offset = offsetof(struct extended, unit),
					.key = "NoSuchField",
					.optional = true,
					.label = "unit" });
}

static void add_service(void)
{
	add_field((struct annot_field){ .bit = ANNOT_SERVICE,
					.kind = FIELD_STR,
					.offset = offsetof(struct extended, unit),
					.key = "NoSuchField",
					.label = "unit",
					.brief = 1 });
	groups[schema.ngroups++] =
		(struct annot_group){ .bit = ANNOT_SERVICE, .word = "service", .title = "Service", .brief = "Service" };
}

static struct extended sample(void)
{
	return (struct extended){
		.annot = { .serial = 1,
			   .has = ANNOT_PROCESS | ANNOT_SERVICE,
			   .process = { .pid = 7, .cmd = str_of("/usr/sbin/sshd"), .args = str_of("sshd -D") } },
		.unit = str_of("ssh.service"),
	};
}

/* Whether the comments of options hold text, which may be several lines of one comment. */
static bool has_comment(const struct buf *b, const char *text)
{
	struct pcapng_options o = { (const uint8_t *)b->p, (const uint8_t *)b->p + b->len };
	const uint8_t *value;
	uint16_t code, n;

	while (pcapng_next_option(&o, &code, &value, &n)) {
		if (n == strlen(text) && memcmp(value, text, n) == 0)
			return true;
	}
	return false;
}

static bool text_is(struct buf *b, const char *text)
{
	const bool is = str_eq((struct str){ b->p, (uint32_t)b->len }, str_of(text));

	b->len = 0;
	return is;
}

static void check_kept(void)
{
	struct extended x = sample();
	char *unit = strdup("ssh.service"), *space;

	x.unit = str_of(unit);
	space = malloc(annot_strings_size(&schema, &x.annot));
	annot_strings_move(&schema, &x.annot, space);
	memset(unit, 'x', x.unit.n);
	free(unit);
	CHECK(str_eq(x.unit, str_of("ssh.service")));
	free(space);
}

static void check_compared(void)
{
	const struct extended x = sample();
	struct extended y = sample();

	CHECK(annot_same(&schema, &x.annot, &y.annot));
	y.unit = str_of("cron.service");
	CHECK(!annot_same(&schema, &x.annot, &y.annot));
	y.unit = (struct str){ 0 };
	CHECK(!annot_same(&schema, &x.annot, &y.annot));
}

static void check_saved_and_read(unsigned context)
{
	const struct extended x = sample();
	struct annotation *back;
	struct buf b = { 0 };

	annotation_encode(&schema, &b, &x.annot, ANNOT_PROCESS | context);
	CHECK(has_comment(&b, "PID: 7\nCmd: /usr/sbin/sshd\nArgs: sshd -D"));
	CHECK(has_comment(&b, "NoSuchField: ssh.service"));
	CHECK_INT(annotation_group(&schema, str_of("NoSuchField: ssh.service")), context);
	CHECK_INT(annotation_decode(&schema, &back, (const uint8_t *)b.p, b.len, 1), 0);
	CHECK(back);
	CHECK(annot_same(&schema, &x.annot, back));
	CHECK_INT(back->has, ANNOT_PROCESS | context);
	free(back);
	/* Who does not know the field takes nothing of it for another's. */
	CHECK_INT(annotation_decode(&annotation_schema, &back, (const uint8_t *)b.p, b.len, 1), 0);
	CHECK(back && annot_same(&annotation_schema, &x.annot, back));
	free(back);
	b.len = 0;
	annotation_encode(&schema, &b, &x.annot, ANNOT_ALL & ~ANNOT_PROCESS);
	CHECK_INT(b.len, 0);
	buf_done(&b);
}

static void check_shown(const char *lines, const char *list)
{
	const struct extended x = sample();
	struct buf b = { 0 };

	text_put_lines(&b, &schema, &x.annot, &(struct text_style){ 0 });
	CHECK(text_is(&b, lines));
	text_put_list(&b, &schema, &x.annot, &(struct text_style){ 0 });
	CHECK(text_is(&b, list));
	buf_done(&b);
}

static void test_field_of_a_group(void)
{
	add_to_process();
	check_kept();
	check_compared();
	check_saved_and_read(ANNOT_PROCESS);
	check_shown("\n    Process (pid 7, cmd /usr/sbin/sshd, args sshd -D, unit ssh.service)", "");
	CHECK_INT(annot_context(&schema, "process"), ANNOT_PROCESS | ANNOT_EFFECTIVE | ANNOT_END);
}

static void test_field_of_its_own_group(void)
{
	add_service();
	check_kept();
	check_compared();
	check_saved_and_read(ANNOT_SERVICE);
	check_shown("\n    Process (pid 7, cmd /usr/sbin/sshd, args sshd -D)\n    Service (unit ssh.service)",
		    ", Service [ssh.service]");
	CHECK_INT(annot_context(&schema, "service"), ANNOT_SERVICE);
	CHECK_INT(annot_context(&annotation_schema, "service"), 0);
}

static bool same_name(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static bool rows_clash(const struct annot_field *a, const struct annot_field *b)
{
	return (a->offset == b->offset && a->kind != FIELD_IGNORED && b->kind != FIELD_IGNORED) ||
	       same_name(a->key, b->key) || same_name(a->key, b->alias) || same_name(a->alias, b->key) ||
	       same_name(a->alias, b->alias) || same_name(a->json, b->json);
}

static void test_rows_are_distinct(void)
{
	for (size_t i = 0; i < annotation_schema.nfields; i++) {
		const struct annot_field *f = &annotation_schema.fields[i];

		CHECK(annot_group_of(&annotation_schema, f->bit));
		for (size_t k = 0; k < i; k++)
			CHECK(!rows_clash(f, &annotation_schema.fields[k]));
	}
}

/* The assertions in annotation.c do not see a number that was put into the padding behind another. */
static void test_no_byte_without_row(void)
{
#if __has_builtin(__builtin_clear_padding)
	struct annotation a;
	unsigned char bytes[sizeof(a)];

	memset(&a, 0xff, sizeof(a));
	__builtin_clear_padding(&a);
	memcpy(bytes, &a, sizeof(a));
	memset(bytes + offsetof(struct annotation, serial), 0, sizeof(a.serial));
	memset(bytes + offsetof(struct annotation, has), 0, sizeof(a.has));
	memset(bytes + offsetof(struct annotation, start), 0,
	       sizeof(a.start)); /* never compared, nor saved in comments */
	for (size_t i = 0; i < annotation_schema.nfields; i++) {
		const struct annot_field *f = &annotation_schema.fields[i];

		if (f->kind != FIELD_IGNORED)
			memset(bytes + f->offset, 0, annot_is_string(f) ? sizeof(struct str) : sizeof(uint32_t));
	}
	for (size_t i = 0; i < sizeof(bytes); i++)
		CHECK_INT(bytes[i] ? i : 0, 0);
#else
	CHECK_SKIP("the compiler does not tell what is padding");
#endif
}

/* Every string of the struct is kept, and compared. */
static void test_all_strings_are_kept(void)
{
	struct annotation a = { 0 }, b;
	char *text[ANNOT_FIELDS_MAX] = { 0 }, *space;

	for (size_t i = 0; i < annotation_schema.nfields; i++) {
		struct str s;

		if (!annot_is_string(&annotation_schema.fields[i]))
			continue;
		text[i] = malloc(8);
		s = (struct str){ text[i], (uint32_t)snprintf(text[i], 8, "s%zu", i) };
		memcpy((char *)&a + annotation_schema.fields[i].offset, &s, sizeof(s));
	}
	b = a;
	space = malloc(annot_strings_size(&annotation_schema, &a));
	annot_strings_move(&annotation_schema, &a, space);
	CHECK(annot_same(&annotation_schema, &a, &b));
	for (size_t i = 0; i < annotation_schema.nfields; i++) {
		if (text[i])
			text[i][0] = 'x';
	}
	for (size_t i = 0; i < annotation_schema.nfields; i++) {
		if (text[i])
			CHECK(!str_eq(annot_str(&a, &annotation_schema.fields[i]), str_of(text[i])));
		free(text[i]);
	}
	free(space);
}

/* An absent string stays absent and an empty one empty. */
static void test_absent_is_not_empty(void)
{
	struct annotation a = { .user = str_of("") };
	char *space = malloc(annot_strings_size(&annotation_schema, &a));

	annot_strings_move(&annotation_schema, &a, space);
	CHECK(a.user.p && a.user.n == 0);
	CHECK(!a.thread.p);
	free(space);
}

static void test_words(void)
{
	char words[256], *rest = words;
	unsigned all = 0;

	CHECK_STR(annotation_words, "process thread parentproc user container pod peer");
	snprintf(words, sizeof(words), "%s", annotation_words);
	for (char *word = strsep(&rest, " "); word; word = strsep(&rest, " ")) {
		const unsigned bits = annot_context(&annotation_schema, word);

		CHECK(bits && !(all & bits));
		all |= bits;
	}
	CHECK_INT(all, ANNOT_ALL);
	CHECK_INT(annot_context(&annotation_schema, "pod"), ANNOT_POD | ANNOT_PEER_POD | ANNOT_PEER_POD_LABELS);
	CHECK_INT(annot_context(&annotation_schema, ""), 0);
}

int main(void)
{
	RUN(test_field_of_a_group);
	RUN(test_field_of_its_own_group);
	RUN(test_rows_are_distinct);
	RUN(test_no_byte_without_row);
	RUN(test_all_strings_are_kept);
	RUN(test_absent_is_not_empty);
	RUN(test_words);
	return check_status();
}
