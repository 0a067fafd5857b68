/* SPDX-License-Identifier: BSD-3-Clause */
/* --metrics: whatever names processes, containers and pods have, each line is one that Prometheus reads; nothing is lost, or told twice. */
#include <ctype.h>
#include <fcntl.h>
#include <pcap/dlt.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "flows/flows.h"
#include "output/metrics.h"
#include "util/utf8.h"

enum { LINES_MAX = 8192 };

static const struct iface eth0 = { .id = 0, .dlt = DLT_RAW, .name = (char *)"eth0" };

/* A line of the text: what is before the value, and the value. */
struct line {
	char *series;
	unsigned long long value;
};

struct text {
	struct buf b;
	struct line lines[LINES_MAX];
	size_t n;
	const char *wrong;
};

static bool name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* As https://prometheus.io/docs/instrumenting/exposition_formats/ has it: label="value", of UTF-8 with \\, \" and \n. NULL: it is not. */
static char *skip_label(char *p, char *end)
{
	char *const name = p;

	while (p < end && name_char(*p))
		p++;
	if (p == name || end - p < 2 || p[0] != '=' || p[1] != '"')
		return NULL;
	for (p += 2; p < end && *p != '"';) {
		const size_t n = utf8_char(p, (size_t)(end - p));

		if (!n || (unsigned char)*p < ' ' || *p == 0x7f)
			return NULL;
		if (*p == '\\' && !(p + 1 < end && strchr("\\\"n", *++p)))
			return NULL;
		p += *p == '\\' || *p == '"' || *p == 'n' ? 1 : n;
	}
	return p < end ? p + 1 : NULL;
}

static char *skip_labels(char *p, char *end)
{
	do
		p = skip_label(p + 1, end);
	while (p && p < end && *p == ',');
	return p && p < end && *p == '}' ? p + 1 : NULL;
}

static const char *parse_line(struct text *t, char *p, char *end)
{
	struct line *line = &t->lines[t->n];
	char *rest = p;

	if (*p == '#')
		return strncmp(p, "# HELP ptcpdump_", 16) && strncmp(p, "# TYPE ptcpdump_", 16) ? "a comment" : NULL;
	while (rest < end && name_char(*rest))
		rest++;
	if (strncmp(p, "ptcpdump_", 9))
		return "the name";
	if (*rest == '{' && !(rest = skip_labels(rest, end)))
		return "labels";
	if (*rest != ' ' || !isdigit((unsigned char)rest[1]))
		return "no value";
	*rest = '\0';
	*line = (struct line){ p, strtoull(rest + 1, &rest, 10) };
	t->n++;
	return rest == end ? NULL : "behind the value";
}

static struct text *text_of(const struct output *o)
{
	struct text *t = calloc(1, sizeof(*t));
	char *p, *all;

	output_metrics_put(o, &t->b);
	buf_putc(&t->b, '\0');
	all = t->b.p;
	for (p = all; *p && !t->wrong;) {
		char *end = strchr(p, '\n');

		t->wrong = !end ? "no end of line" : t->n == LINES_MAX ? "too many lines" : parse_line(t, p, end);
		if (!t->wrong)
			p = end + 1;
	}
	if (!t->wrong && p != all + t->b.len - 1)
		t->wrong = "NUL";
	return t;
}

static void text_free(struct text *t)
{
	buf_done(&t->b);
	free(t);
}

static const struct line *line_of(const struct text *t, const char *series)
{
	for (size_t i = 0; i < t->n; i++) {
		if (strcmp(t->lines[i].series, series) == 0)
			return &t->lines[i];
	}
	return NULL;
}

static bool twice(const struct text *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (line_of(t, t->lines[i].series) != &t->lines[i])
			return true;
	}
	return false;
}

static unsigned long long sum(const struct text *t, const char *family)
{
	const size_t n = strlen(family);
	unsigned long long all = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (strncmp(t->lines[i].series, family, n) == 0 && t->lines[i].series[n] == '{')
			all += t->lines[i].value;
	}
	return all;
}

static struct output *metrics(size_t series)
{
	const struct metrics_config config = { .series_max = series, .version = "1" };
	struct output *o = NULL;

	output_metrics_new(&o, &config);
	return o;
}

static struct flows_sample sample(const struct annotation *a, enum direction dir)
{
	return (struct flows_sample){
		.iface = &eth0,
		.annot = a,
		.dir = dir,
		.tuple = { .src = { 10, 0, 0, 1 },
			   .dst = { 10, 0, 0, 2 },
			   .sport = 51234,
			   .dport = 51235,
			   .family = 4,
			   .proto = 6 },
		.packets = 3,
		.bytes = 100,
		.first = 1,
		.last = 1,
		.syns = 1,
		.retransmits = 2,
		.resets = 1,
	};
}

static struct annotation named(uint64_t serial, struct str name)
{
	return (struct annotation){
		.serial = serial,
		.has = ANNOT_PROCESS,
		.process = { .pid = 4711, .cmd = name, .comm = name },
	};
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* What breaks a text most easily is likely. */
static struct str random_name(char *p, uint32_t *state)
{
	static const char bad[] = "\"\\\n\r{},= #\x01\x7f\x80\xc3\xe2\xff\xf0n";
	const size_t n = next_random(state) % 200;

	for (size_t i = 0; i < n; i++)
		p[i] = next_random(state) % 2 ? bad[next_random(state) % sizeof(bad)] : (char)next_random(state);
	return (struct str){ p, n };
}

static void test_any_name_is_a_label(void)
{
	struct output *o = metrics(0);
	uint32_t state = 1;

	for (uint64_t i = 1; i <= 400; i++) {
		char names[4][200];
		struct annotation a = named(i, random_name(names[0], &state));
		struct flows_sample s = sample(&a, i % 2 ? DIR_IN : DIR_OUT);

		a.has |= ANNOT_CONTAINER | ANNOT_POD;
		a.container.name = random_name(names[1], &state);
		a.pod.name = random_name(names[2], &state);
		a.pod.namespace = random_name(names[3], &state);
		o->ops->sample(o, &s);
	}
	struct text *t = text_of(o);

	o->ops->free(o);
	CHECK(!t->wrong);
	CHECK(!twice(t));
	CHECK_INT(sum(t, "ptcpdump_packets_total"), 1200);
	CHECK_INT(sum(t, "ptcpdump_bytes_total"), 40000);
	text_free(t);
}

static void test_escapes(void)
{
	struct output *o = metrics(0);
	const struct annotation a = named(1, str_of("a\"b\\c\nd\xff\x01 \xc3\xa9"));
	const struct flows_sample s = sample(&a, DIR_OUT);

	o->ops->sample(o, &s);
	struct text *t = text_of(o);

	o->ops->free(o);
	CHECK(!t->wrong);
	CHECK(line_of(
		t,
		"ptcpdump_bytes_total{process=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\xef\xbf\xbd \xc3\xa9\",container=\"\",pod=\"\","
		"namespace=\"\",direction=\"out\"}"));
	text_free(t);
}

static void add_many(struct output *o, unsigned n)
{
	char name[32];

	for (unsigned i = 1; i <= n; i++) {
		struct annotation a;
		struct flows_sample s;

		snprintf(name, sizeof(name), "program-%c%c", 'a' + i / 26 % 26, 'a' + i % 26);
		a = named(i, str_of(name));
		s = sample(&a, DIR_OUT);
		o->ops->sample(o, &s);
	}
}

#define OTHERS(family)                                                                                                 \
	"ptcpdump_" family "_total{process=\"others\",container=\"\",pod=\"\",namespace=\"\",direction=\"out\"}"

static void test_series_are_limited(void)
{
	struct output *o = metrics(10);

	add_many(o, 100);
	struct text *t = text_of(o);
	const struct line *bytes = line_of(t, OTHERS("bytes")), *resets = line_of(t, OTHERS("tcp_resets"));

	o->ops->free(o);
	CHECK(!t->wrong && !twice(t));
	CHECK(bytes && resets);
	CHECK_INT(bytes->value, 9000);
	CHECK_INT(resets->value, 90);
	CHECK_INT(sum(t, "ptcpdump_bytes_total"), 10000);
	CHECK_INT(sum(t, "ptcpdump_packets_total"), 300);
	CHECK_INT(sum(t, "ptcpdump_connections_total"), 100);
	CHECK_INT(sum(t, "ptcpdump_tcp_retransmits_total"), 200);
	CHECK_INT(sum(t, "ptcpdump_tcp_resets_total"), 100);
	text_free(t);
}

/* A program may be called so, and two lines of the same labels would cost the whole file. */
static void test_a_program_named_others(void)
{
	struct output *o = metrics(0);
	const struct annotation a = named(1, str_of("others"));
	struct flows_sample s = sample(&a, DIR_OUT);

	o->ops->sample(o, &s);
	s.others = true;
	o->ops->sample(o, &s);
	s.annot = NULL;
	o->ops->sample(o, &s);
	struct text *t = text_of(o);

	o->ops->free(o);
	CHECK(!t->wrong && !twice(t));
	CHECK_INT(line_of(t, OTHERS("bytes"))->value, 300);
	text_free(t);
}

/* Each series is still there, and no less. */
static void test_counters_never_go_down(void)
{
	struct output *o = metrics(20);
	struct text *before = text_of(o);

	for (unsigned n = 1; n < 60; n += 7) {
		add_many(o, n);
		struct text *after = text_of(o);

		CHECK(!after->wrong);
		for (size_t i = 0; i < before->n; i++) {
			const struct line *line = line_of(after, before->lines[i].series);

			CHECK(line && line->value >= before->lines[i].value);
		}
		text_free(before);
		before = after;
	}
	text_free(before);
	o->ops->free(o);
}

/* What has any number of values is no label. */
static void test_no_pid_and_no_port(void)
{
	struct output *o = metrics(0);

	add_many(o, 5);
	struct text *t = text_of(o);

	o->ops->free(o);
	for (size_t i = 0; i < t->n; i++) {
		const char *labels = strchr(t->lines[i].series, '{');

		CHECK(!labels || !strpbrk(labels, "023456789") || strstr(labels, "version="));
		CHECK(!strstr(t->lines[i].series, "port") && !strstr(t->lines[i].series, "pid="));
	}
	text_free(t);
}

static void test_own_counters(void)
{
	const struct output_counts counts = { .captured = 7, .received = 9, .dropped = 2 };
	struct output *o = metrics(0);

	o->ops->counts(o, &counts);
	struct text *t = text_of(o);

	o->ops->free(o);
	CHECK(!t->wrong);
	CHECK_INT(line_of(t, "ptcpdump_captured_packets_total")->value, 7);
	CHECK_INT(line_of(t, "ptcpdump_received_packets_total")->value, 9);
	CHECK_INT(line_of(t, "ptcpdump_dropped_packets_total")->value, 2);
	CHECK_INT(line_of(t, "ptcpdump_build_info{version=\"1\"}")->value, 1);
	text_free(t);
}

/* Our only child. */
static pid_t writer(void)
{
	FILE *children = fopen("/proc/thread-self/children", "r");
	int pid = 0;

	if (children && fscanf(children, "%d", &pid) != 1)
		pid = 0;
	if (children)
		fclose(children);
	return pid;
}

/* A text that the socket between does not hold at once, of a file that is replaced while it is read. */
static void test_long_texts_are_written(void)
{
	const size_t n = 3 << 20;
	struct metrics_file *f = NULL;
	struct stat st;
	struct buf text = { 0 };
	char path[64], *p;
	int fd;

	snprintf(path, sizeof(path), "/tmp/test_metrics.%d", (int)getpid());
	CHECK(!metrics_file_new(&f, path));
	/* A run that ends before it begins leaves nothing. */
	CHECK_INT(stat(path, &st), -1);
	/* What it has taken meanwhile is no matter of chance. */
	CHECK(writer() > 0 && !kill(writer(), SIGSTOP) && waitpid(writer(), NULL, WUNTRACED) > 0);
	for (int i = 0; i < 2; i++) {
		p = buf_reserve(&text, n);
		memset(p, 'a' + i, n);
		memcpy(p, METRICS_FIRST, strlen(METRICS_FIRST));
		text.len = n;
		CHECK(!metrics_file_put(f, &text));
		CHECK_INT(text.len, 0);
		CHECK(i || !metrics_file_idle(f));
		kill(writer(), SIGCONT);
		metrics_file_wait(f);
		CHECK(metrics_file_idle(f));
	}
	metrics_file_free(f);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && !fstat(fd, &st));
	CHECK_INT(st.st_size, n);
	CHECK_INT(pread(fd, text.p, 1, (off_t)n - 1), 1);
	CHECK_INT(*text.p, 'b');
	close(fd);
	unlink(path);
	buf_done(&text);
}

int main(void)
{
	RUN(test_any_name_is_a_label);
	RUN(test_escapes);
	RUN(test_series_are_limited);
	RUN(test_a_program_named_others);
	RUN(test_counters_never_go_down);
	RUN(test_no_pid_and_no_port);
	RUN(test_own_counters);
	RUN(test_long_texts_are_written);
	return check_status();
}
