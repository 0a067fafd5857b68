/* SPDX-License-Identifier: BSD-3-Clause */
/* Our printf against glibc's. */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

#include "check.h"
#include "util/decimal.h"
#include "util/format.h"

static struct formats *formats;
static struct buf ours;
static unsigned long cases;

/* true when both made the same text; the format is data here. */
__attribute__((format(printf, 1, 0))) static bool same(const char *fmt, ...)
{
	char expected[8192];
	va_list ap;
	int n, len;

	va_start(ap, fmt);
	n = vsnprintf(expected, sizeof(expected), fmt, ap);
	va_end(ap);
	ours.len = 0;
	va_start(ap, fmt);
	len = format_print(formats, &ours, fmt, ap);
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

static void test_decimals(void)
{
	char ours_text[DECIMAL_ROOM + 1], want[24];

	for (uint64_t v = 0; v <= UINT32_MAX; v += v < 20000 ? 1 : v / 5000 + chance(100)) {
		*decimal_put(ours_text, (uint32_t)v) = '\0';
		snprintf(want, sizeof(want), "%" PRIu64, v);
		CHECK_STR(ours_text, want);
	}
	for (unsigned n = 1; n <= 8; n++) {
		*decimal_put_digits(ours_text, 90012345, n) = '\0';
		CHECK_STR(ours_text, "90012345" + 8 - n);
	}
}

/* The second time, a constant comes out of the memory. */
static void test_remembered(void)
{
	for (int i = 0; i < 3; i++) {
		CHECK(same("%s.%s > %s.%s: ", "10.0.0.1", "80", "10.0.0.2", i ? "1234" : NULL));
		CHECK(same("%u %x %04x %08x%c%%|%02x|%d|%lu|%-5s|%.*s", UINT_MAX, 0x1234 << i, i, 0xabcdef, 'c', 0x123,
			   -i, ULONG_MAX, "left", i, "cut"));
		CHECK(same("longer than what is copied at once %u, and then as much text again and %s", i, "more"));
		CHECK(same("%.3f is for glibc", i / 3.0));
		CHECK(same("%u%u%u%u%u%u%u%u%u%u%u%u%u%u%u%u%u%u%u%u%u%u%u%u%u%u", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
			   12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, i));
		CHECK(same("%%"));
	}
}

/* What is no constant may read differently the next time. */
static void test_changing(void)
{
	static char in_data[] = "%u first", in_bss[32];
	char on_stack[32] = "%x first";

	CHECK(same(in_data, 10) && same(in_bss) && same(on_stack, 10));
	strcpy(in_data, "%x again");
	strcpy(in_bss, "%o again");
	strcpy(on_stack, "%u again");
	CHECK(same(in_data, 10) && same(in_bss, 10) && same(on_stack, 10));
}

/* More constants than are remembered: each end of a text is one. */
static void test_many(void)
{
	static const char many[4096] = { [0 ... 4092] = 'x', '%', 'u' };

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof(many) - 1; i++) {
			if (!same(many + i, (unsigned)i))
				return;
		}
	}
}

int main(void)
{
	if (formats_new(&formats) < 0)
		return 1;
	RUN(test_integers);
	RUN(test_strings);
	RUN(test_others);
	RUN(test_random);
	RUN(test_decimals);
	RUN(test_remembered);
	RUN(test_changing);
	RUN(test_many);
	formats_free(formats);
	buf_done(&ours);
	return check_status();
}
