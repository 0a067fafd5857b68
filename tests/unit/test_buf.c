/* SPDX-License-Identifier: BSD-3-Clause */
/* The fast formatter against glibc's, the escapes, the flush. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "util/buf.h"

static struct buf ours;
static unsigned long cases;

/* true when both made the same text; the format is data here. */
__attribute__((format(printf, 1, 0))) static bool same(const char *fmt, ...)
{
	char expected[2048];
	va_list ap;
	int n, len;

	va_start(ap, fmt);
	n = vsnprintf(expected, sizeof(expected), fmt, ap);
	va_end(ap);
	ours.len = 0;
	va_start(ap, fmt);
	len = buf_vprintf(&ours, fmt, ap);
	va_end(ap);
	cases++;
	if (n == len && (size_t)n == ours.len && memcmp(expected, ours.p, ours.len) == 0)
		return true;
	snprintf(check_why, sizeof(check_why), "\"%.99s\": \"%.300s\", not \"%.*s\"", fmt, expected,
		 (int)(ours.len < 300 ? ours.len : 300), ours.p);
	return false;
}

static const char *const flags[] = { "", "-", "0", "+", " ", "#", "0#", "-#", "+0", "-0", "+ ", "'" };
static const char *const widths[] = { "", "1", "4", "15", "511", "600" };
static const char *const precisions[] = { "", ".", ".0", ".1", ".3", ".6", ".9", ".30" };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define FOR_EACH_SPEC(f, w, p)                                                                                         \
	for (size_t f = 0; f < COUNT(flags); f++)                                                                      \
		for (size_t w = 0; w < COUNT(widths); w++)                                                             \
			for (size_t p = 0; p < COUNT(precisions); p++)

static void test_integers(void)
{
	static const char *const ints[] = { "d", "i", "u", "x", "X", "o", "hd", "hu", "hhx", "hhd" };
	static const char *const longs[] = { "ld", "lu", "lx", "llu", "lld", "zu", "jd", "tX", "lo" };
	static const int64_t values[] = { 0,   1,     -1,    9,	      10,      99,	 100,	    255,
					  256, 65535, 65536, INT_MAX, INT_MIN, UINT_MAX, INT64_MAX, INT64_MIN };
	char fmt[64];

	FOR_EACH_SPEC(f, w, p)
	{
		for (size_t c = 0; c < COUNT(ints) + COUNT(longs); c++) {
			const bool is_int = c < COUNT(ints);

			snprintf(fmt, sizeof(fmt), "<%%%s%s%s%s>%%%%", flags[f], widths[w], precisions[p],
				 is_int ? ints[c] : longs[c - COUNT(ints)]);
			for (size_t v = 0; v < COUNT(values); v++) {
				if (!(is_int ? same(fmt, (int)values[v]) : same(fmt, (long)values[v])))
					return;
			}
		}
	}
}

static void test_strings(void)
{
	static const char *const values[] = { "", "a", "abc", "abcdefghij", "\xc3\xa4\xff", NULL };
	char fmt[64];

	FOR_EACH_SPEC(f, w, p)
	{
		snprintf(fmt, sizeof(fmt), "%%%s%s%ss|%%%s%s%sc", flags[f], widths[w], precisions[p], flags[f],
			 widths[w], precisions[p]);
		for (size_t v = 0; v < COUNT(values); v++) {
			if (!same(fmt, values[v], 'a' + (int)v))
				return;
		}
	}
	for (int width = -12; width < 12; width++) {
		for (int precision = -3; precision < 8; precision++) {
			if (!same("%*.*s|%-*s|%.*s|%*.*d|%0*x|%*c", width, precision, "hello", width, "x", precision,
				  "precise", width, precision, 42, width, 42, width, 'c'))
				return;
		}
	}
	CHECK(same("%*d|%-*s", -1500, 1, 400, "wider than what is done here"));
}

static void test_others(void)
{
	static const double values[] = { 0, 1, -1, 0.5, 3.14159, 1e10, 1.0 / 3, 123456.789, -0.0 };
	static const char *const conversions[] = { "f", "e", "g", "G", "a", "F" };
	char fmt[64];

	FOR_EACH_SPEC(f, w, p)
	{
		for (size_t c = 0; c < COUNT(conversions); c++) {
			snprintf(fmt, sizeof(fmt), "%%u %%s <%%%s%s%s%s> %%d", flags[f], widths[w], precisions[p],
				 conversions[c]);
			for (size_t v = 0; v < COUNT(values); v++) {
				if (!same(fmt, 7U, "before", values[v], -7))
					return;
			}
		}
	}
	CHECK(same("%p %d", (void *)&ours, 1));
	CHECK(same("%s %m %d", "errno", 1));
	CHECK(same("%lc %ls", L'x', L"wide"));
	CHECK(same("%" PRIu64 " %" PRId64 " %" PRIx64, UINT64_MAX, INT64_MIN, UINT64_C(0xdeadbeefcafe)));
	CHECK(same("%%%%"));
	CHECK(same("%3$s %1$d %2$u", 1, 2U, "three"));
	CHECK(same("no conversion at all"));
	CHECK(same("%s", ""));
}

static uint64_t state = 42;

static unsigned chance(unsigned n)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(state >> 33) % n;
}

/* Formats of several random conversions that all take the same type. */
static void test_random(void)
{
	static const char conversions[] = "duxXoi";

	for (int i = 0; i < 100000; i++) {
		char fmt[256] = "";
		size_t n = 0;

		for (int c = 0; c < 4; c++) {
			n += (size_t)snprintf(fmt + n, sizeof(fmt) - n, "%s%%%s", chance(2) ? ", x " : "",
					      flags[chance(COUNT(flags))]);
			if (chance(2))
				n += (size_t)snprintf(fmt + n, sizeof(fmt) - n, "%u", chance(30) + 1);
			if (chance(3) == 0)
				n += (size_t)snprintf(fmt + n, sizeof(fmt) - n, ".%u", chance(25));
			n += (size_t)snprintf(fmt + n, sizeof(fmt) - n, "l%c", conversions[chance(6)]);
		}
		if (!same(fmt, (long)state >> chance(64), (long)state >> chance(64), (long)chance(1000), (long)state))
			return;
	}
	CHECK(cases > 100000);
}

static const char *escaped(const char *s, uint32_t n)
{
	ours.len = 0;
	buf_put_escaped(&ours, (struct str){ s, n });
	buf_putc(&ours, '\0');
	return ours.p;
}

static void test_escape(void)
{
	CHECK_STR(escaped("plain text", 10), "plain text");
	CHECK_STR(escaped("a\nb\tc\rd\\e", 9), "a\\nb\\tc\\rd\\\\e");
	CHECK_STR(escaped("\0\x1b[2J\x7f", 6), "\\x00\\x1b[2J\\x7f");
	CHECK_STR(escaped("\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7", 9), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7");
	/* C1 (CSI in UTF-8), line separator, right-to-left override */
	CHECK_STR(escaped("\xc2\x9b"
			  "31m",
			  5),
		  "\\xc2\\x9b31m");
	CHECK_STR(escaped("\xe2\x80\xa8\xe2\x80\xae", 6), "\\xe2\\x80\\xa8\\xe2\\x80\\xae");
	/* lone continuation, overlong slash, surrogate, beyond U+10FFFF, cut sequences */
	CHECK_STR(escaped("\x9b", 1), "\\x9b");
	CHECK_STR(escaped("\xc0\xaf", 2), "\\xc0\\xaf");
	CHECK_STR(escaped("\xed\xa0\x80", 3), "\\xed\\xa0\\x80");
	CHECK_STR(escaped("\xf4\x90\x80\x80", 4), "\\xf4\\x90\\x80\\x80");
	CHECK_STR(escaped("\xe2\x82", 2), "\\xe2\\x82");
	CHECK_STR(escaped("\xe2\x82"
			  "A",
			  3),
		  "\\xe2\\x82A");
	CHECK_STR(escaped(NULL, 0), "");
}

static void test_insert(void)
{
	struct buf b = { 0 };

	buf_insert(&b, 0, "world", 5);
	buf_insert(&b, 0, "hello ", 6);
	buf_insert(&b, 5, ",", 1);
	buf_insert(&b, 12, "!", 1);
	buf_insert(&b, 3, "", 0);
	CHECK_INT(b.len, 13);
	CHECK_MEM(b.p, "hello, world!", 13);
	buf_done(&b);
	CHECK(b.p == NULL);
}

static void test_flush(void)
{
	struct buf b = { 0 };
	char got[8] = "";
	int fds[2];

	CHECK(pipe(fds) == 0);
	buf_puts(&b, "text");
	CHECK_INT(buf_flush(&b, fds[1]), 0);
	CHECK_INT(b.len, 0);
	CHECK_INT(read(fds[0], got, sizeof(got)), 4);
	CHECK_MEM(got, "text", 4);
	close(fds[0]);
	buf_puts(&b, "nobody reads");
	CHECK_INT(buf_flush(&b, fds[1]), -EPIPE);
	CHECK_INT(b.len, 12);
	close(fds[1]);
	buf_done(&b);
}

/* A reader of a non-blocking pipe that is slower than the writer. */
static void test_flush_slow_reader(void)
{
	enum { SIZE = 1 << 20 };
	struct buf b = { 0 };
	size_t total = 0;
	char part[4096];
	int fds[2];

	CHECK(pipe2(fds, O_NONBLOCK) == 0);
	memset(buf_reserve(&b, SIZE), 'x', SIZE);
	b.len = SIZE;
	const pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		_exit(buf_flush(&b, fds[1]) == 0 && b.len == 0 ? 0 : 1);
	}
	close(fds[1]);
	fcntl(fds[0], F_SETFL, 0);
	for (ssize_t n; (n = read(fds[0], part, sizeof(part))) > 0;)
		total += (size_t)n;
	close(fds[0]);
	CHECK_INT(total, SIZE);
	buf_done(&b);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	RUN(test_integers);
	RUN(test_strings);
	RUN(test_others);
	RUN(test_random);
	RUN(test_escape);
	RUN(test_insert);
	RUN(test_flush);
	RUN(test_flush_slow_reader);
	buf_done(&ours);
	return check_status();
}
