/* SPDX-License-Identifier: BSD-3-Clause */
/* What of names that strangers choose stands in a line, and that its reader can tell where they end. */
#include <stdlib.h>

#include "check.h"
#include "util/escape.h"

static struct buf ours;

static const char *escaped_n(const char *s, uint32_t n, enum escape_place place)
{
	ours.len = 0;
	escape_put(&ours, (struct str){ s, n }, place);
	buf_putc(&ours, '\0');
	return ours.p;
}

static const char *escaped(const char *s, enum escape_place place)
{
	return escaped_n(s, (uint32_t)strlen(s), place);
}

static const char *in_line(const char *s)
{
	return escaped(s, IN_LINE);
}

static void test_ascii(void)
{
	CHECK_STR(in_line("plain text (of) [all], 'kinds'"), "plain text (of) [all], 'kinds'");
	CHECK_STR(in_line("a\nb\tc\rd\\e"), "a\\nb\\tc\\rd\\\\e");
	CHECK_STR(escaped_n("\0\x1b[2J\x7f", 6, IN_LINE), "\\x00\\x1b[2J\\x7f");
	CHECK_STR(escaped_n(NULL, 0, IN_LINE), "");
}

static void test_no_utf8(void)
{
	/* lone continuation, overlong slash, surrogate, beyond U+10FFFF, cut sequences */
	CHECK_STR(in_line("\x9b"), "\\x9b");
	CHECK_STR(in_line("\xc0\xaf"), "\\xc0\\xaf");
	CHECK_STR(in_line("\xed\xa0\x80"), "\\xed\\xa0\\x80");
	CHECK_STR(in_line("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
	CHECK_STR(in_line("\xe2\x82"), "\\xe2\\x82");
	CHECK_STR(in_line("\xe2\x82"
			  "A"),
		  "\\xe2\\x82A");
}

static void test_ordinary(void)
{
	static const char *const names[] = {
		"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7", /* a umlaut, euro, penguin */
		"caf\xc3\xa9",
		"cafe\xcc\x81", /* composed, with a mark */
		"\xe4\xb8\xad\xe6\x96\x87",
		"\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4",					    /* Chinese, Korean */
		"\xd7\xa9\xd6\xb8\xd7\x81\xd7\x9c\xd7\x95\xd6\xb9\xd7\x9d",		    /* Hebrew with points */
		"\xe0\xa4\xb9\xe0\xa4\xbf\xe0\xa4\xa8\xe0\xa5\x8d\xe0\xa4\xa6\xe0\xa5\x80", /* Devanagari */
		"\xe0\xb8\xa0\xe0\xb8\xb2\xe0\xb8\xa9\xe0\xb8\xb2\xe0\xb9\x84\xe0\xb8\x97\xe0\xb8\xa2", /* Thai */
		"\xe2\x9d\xa4\xef\xb8\x8f",					/* heart in colour */
		"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb",			/* woman at a computer */
		"\xf0\x9f\x91\xa9\xf0\x9f\x8f\xbd\xe2\x80\x8d\xf0\x9f\x9a\x80", /* astronaut with a skin */
		"\xf0\x9f\x8f\xb3\xef\xb8\x8f\xe2\x80\x8d\xf0\x9f\x8c\x88",	/* rainbow flag */
		"\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa",				/* regional indicators */
		"\xe2\x80\x9cquoted\xe2\x80\x9d \xe2\x80\x93 \xe2\x80\xa6",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		CHECK_STR(in_line(names[i]), names[i]);
		CHECK_STR(escaped(names[i], IN_FIELDS), names[i]);
	}
}

/* Every one of these looks like nothing, like a blank, or like a mark of ours, or moves what stands beside it. */
static const uint32_t harmful[] = {
	0x80,	 0x85,	  0x9b,	   0x9f,    0xa0,    0xad,    0x34f,   0x37e,	0x600,	  0x61c,   0x6dd,   0x70f,
	0x115f,	 0x1160,  0x1680,  0x17b4,  0x17b5,  0x180b,  0x180e,  0x2000,	0x2007,	  0x200a,  0x200b,  0x200c,
	0x200d,	 0x200e,  0x200f,  0x2024,  0x2028,  0x2029,  0x202a,  0x202e,	0x202f,	  0x205f,  0x2060,  0x2061,
	0x2064,	 0x2065,  0x2066,  0x2069,  0x206a,  0x206f,  0x207d,  0x2768,	0x2769,	  0x27e6,  0x27e7,  0x2800,
	0x3000,	 0x3010,  0x3011,  0x3164,  0xe000,  0xf8ff,  0xfdd0,  0xfe00,	0xfe0f,	  0xfe10,  0xfe47,  0xfe48,
	0xfe50,	 0xfe59,  0xfe5a,  0xfe68,  0xfeff,  0xff08,  0xff09,  0xff0c,	0xff0e,	  0xff3b,  0xff3c,  0xff3d,
	0xff5b,	 0xff5d,  0xffa0,  0xfff0,  0xfff9,  0xfffb,  0xfffe,  0xffff,	0x110bd,  0x13430, 0x1bca0, 0x1d173,
	0x1fffe, 0xe0001, 0xe0020, 0xe0041, 0xe007f, 0xe0100, 0xe01ef, 0xf0000, 0x10fffd,
};

static void utf8_put(char text[5], uint32_t c)
{
	if (c < 0x800)
		sprintf(text, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 63));
	else if (c < 0x10000)
		sprintf(text, "%c%c%c", 0xe0 | c >> 12, 0x80 | (c >> 6 & 63), 0x80 | (c & 63));
	else
		sprintf(text, "%c%c%c%c", 0xf0 | c >> 18, 0x80 | (c >> 12 & 63), 0x80 | (c >> 6 & 63), 0x80 | (c & 63));
}

static void test_harmful(void)
{
	for (size_t i = 0; i < sizeof(harmful) / sizeof(harmful[0]); i++) {
		char c[5], text[16], want[64] = "ab";

		utf8_put(c, harmful[i]);
		snprintf(text, sizeof(text), "ab%scd", c);
		for (const char *p = c; *p; p++)
			sprintf(want + strlen(want), "\\x%02x", (unsigned char)*p);
		strcat(want, "cd");
		for (unsigned place = IN_LINE; place < IN_MESSAGE; place <<= 1) {
			if (place != IN_JSON)
				CHECK_STR(escaped(text, (enum escape_place)place), want);
		}
	}
}

static void test_json_of_all(void)
{
	CHECK_STR(escaped("{\"a\":\"\xf3\xa0\x81\x81\xc2\xa0\xff\"}", IN_JSON),
		  "{\"a\":\"\\udb40\\udc41\\u00a0\\ufffd\"}");
	CHECK_STR(escaped("{\"a\":\"x\\\"y\\\\\",\"b\":\"\n\"}", IN_JSON), "{\"a\":\"x\\\"y\\\\\",\"b\":\"\\n\"}");
}

/* What joins pictures joins nothing else, and marks need something to stand on. */
static void test_order(void)
{
	CHECK_STR(in_line("nginx\xef\xb8\x8f"), "nginx\\xef\\xb8\\x8f");
	CHECK_STR(in_line("\xe2\x9d\xa4\xef\xb8\x8f\xef\xb8\x8f"), "\xe2\x9d\xa4\xef\xb8\x8f\\xef\\xb8\\x8f");
	CHECK_STR(in_line("\xf0\x9f\x91\xa9\xe2\x80\x8dx"), "\xf0\x9f\x91\xa9\\xe2\\x80\\x8dx");
	CHECK_STR(in_line("\xcc\x81x \xcc\x81"), "\\xcc\\x81x \\xcc\\x81");
	CHECK_STR(in_line("e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81"), "e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\\xcc\\x81");
	CHECK_STR(escaped("[\xcc\xb8", IN_NAMES), "\\x5b\\xcc\\xb8");
}

static void test_names(void)
{
	CHECK_STR(escaped("a b,c[d](sd-pam)/x@y", IN_NAMES), "a\\x20b,c\\x5bd\\x5d(sd-pam)/x@y");
	CHECK_STR(escaped("pod.prod/app@x", IN_PARTS), "pod.prod\\x2fapp\\x40x");
	CHECK_STR(escaped("it's, (so)", IN_QUOTES), "it\\x27s\\x2c\\x20\\x28so\\x29");
	CHECK_STR(escaped("a.example-1.org_x > b: [x]", IN_HOSTS),
		  "a.example-1.org_x\\x20\\x3e\\x20b\\x3a\\x20\\x5bx\\x5d");
}

/* In a message, where backslashes stay: the name ends where its quote does. */
static void test_quoted(void)
{
	char to[4 * 15 + 1], most[4 * 15 + 1];

	CHECK_STR(escape_quoted(to, sizeof(to), "eth0.1"), "eth0.1");
	CHECK_STR(escape_quoted(to, sizeof(to), "a': b 'c"), "a\\x27:\\x20b\\x20\\x27c");
	CHECK_STR(escape_quoted(to, sizeof(to), ""), "");
	for (int i = 0; i < 15; i++)
		memcpy(most + 4 * i, "\\x01", 4);
	most[60] = '\0';
	CHECK_STR(escape_quoted(to, sizeof(to), "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"),
		  most);
	CHECK_STR(escaped(to, IN_MESSAGE), to);
}

static void test_fields(void)
{
	/* as people use them */
	CHECK_STR(escaped("/usr/bin/x (deleted)", IN_FIELDS), "/usr/bin/x (deleted)");
	CHECK_STR(escaped("-m multiport --dports 80,443", IN_FIELDS), "-m multiport --dports 80,443");
	CHECK_STR(escaped("python3 -c print(f(1),2)", IN_FIELDS), "python3 -c print(f(1),2)");
	/* as nobody shall read them */
	CHECK_STR(escaped("x, args nginx)\n    User (uid 0)", IN_FIELDS),
		  "x\\x2c args nginx\\x29\\n    User \\x28uid 0\\x29");
	CHECK_STR(escaped("name]", IN_FIELDS), "name]");
	CHECK_STR(escaped("x)", IN_FIELDS), "x\\x29");
	CHECK_STR(escaped("x)(", IN_FIELDS), "x\\x29\\x28");
	CHECK_STR(escaped("x,", IN_FIELDS), "x\\x2c");
	CHECK_STR(escaped("(a b) (c)", IN_FIELDS), "\\x28a b\\x29 (c)");
}

static void test_fields_of_json(void)
{
	CHECK_STR(escaped("{\"a\":\"b, image nginx)\",\"c\":\"(d)\"}", IN_JSON),
		  "{\"a\":\"b\\u002c image nginx\\u0029\",\"c\":\"(d)\"}");
	CHECK_STR(escaped("{\"a\": \"b\", \"c\": \"d,\"}", IN_JSON), "{\"a\": \"b\",\"c\": \"d,\"}");
	CHECK_STR(escaped("{}, image nginx)", IN_JSON), "{},image nginx\\u0029");
}

static void test_message(void)
{
	CHECK_STR(escaped("can't read 'a\\x20b': x, y (z)\n\x1b\xc2\x9b", IN_MESSAGE),
		  "can't read 'a\\x20b': x, y (z)\\n\\x1b\\xc2\\x9b");
}

/* One pass, whatever comes: four times as much takes about four times as long, not sixteen. */
static void test_long(void)
{
	enum { N = 1 << 20 };
	char *s = malloc(N);

	CHECK(s);
	for (size_t i = 0; i < N; i++)
		s[i] = "(),x"[i * 2654435761u >> 20 & 3];
	escaped_n(s, N, IN_FIELDS);
	memset(s, '(', N);
	escaped_n(s, N, IN_FIELDS);
	CHECK_INT(ours.len, 4 * N + 1);
	free(s);
}

int main(void)
{
	RUN(test_ascii);
	RUN(test_no_utf8);
	RUN(test_ordinary);
	RUN(test_harmful);
	RUN(test_json_of_all);
	RUN(test_order);
	RUN(test_names);
	RUN(test_quoted);
	RUN(test_fields);
	RUN(test_fields_of_json);
	RUN(test_message);
	RUN(test_long);
	buf_done(&ours);
	return check_status();
}
