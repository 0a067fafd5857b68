/* SPDX-License-Identifier: BSD-3-Clause */
/* --top without a terminal: what its keys mean, which columns fit, what a line may hold. */
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "output/flow_text.h"
#include "output/keys.h"
#include "output/top_private.h"
#include "output/top_view.h"
#include "util/columns.h"

/* --- keys ------------------------------------------------------------------------- */

/* The keys of a text, at most max; returns how many. */
static size_t keys_of(struct keys *k, const char *bytes, size_t n, uint32_t *keys, size_t max)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		const uint32_t key = keys_byte(k, (uint8_t)bytes[i]);

		if (key != KEY_NONE && found < max)
			keys[found++] = key;
	}
	return found;
}

#define CHECK_KEYS(text, ...)                                                                                          \
	do {                                                                                                           \
		const uint32_t want_[] = { __VA_ARGS__ };                                                              \
		struct keys k_ = { 0 };                                                                                \
		uint32_t got_[16];                                                                                     \
		const size_t n_ = keys_of(&k_, text, sizeof(text) - 1, got_, 16);                                      \
                                                                                                                       \
		CHECK_INT(n_, sizeof(want_) / sizeof(want_[0]));                                                       \
		for (size_t i_ = 0; i_ < n_; i_++)                                                                     \
			CHECK_INT(got_[i_], want_[i_]);                                                                \
	} while (0)

static void test_characters(void)
{
	CHECK_KEYS("q/ ", 'q', '/', ' ');
	CHECK_KEYS("\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80", 0xe9, 0x4e2d, 0x1f600);
	CHECK_KEYS("\r\n\x7f\x08\x15\x0c", KEY_ENTER, KEY_ENTER, KEY_BACKSPACE, KEY_BACKSPACE, KEY_ERASE, KEY_REDRAW);
}

static void test_sequences(void)
{
	/* xterm and tmux, with and without application mode; console; rxvt; with modifiers */
	CHECK_KEYS("\033[A\033[B\033[C\033[D", KEY_UP, KEY_DOWN, KEY_RIGHT, KEY_LEFT);
	CHECK_KEYS("\033OA\033OB\033OC\033OD\033OH\033OF", KEY_UP, KEY_DOWN, KEY_RIGHT, KEY_LEFT, KEY_HOME, KEY_END);
	CHECK_KEYS("\033[5~\033[6~\033[1~\033[4~\033[7~\033[8~\033[H\033[F", KEY_PAGE_UP, KEY_PAGE_DOWN, KEY_HOME,
		   KEY_END, KEY_HOME, KEY_END, KEY_HOME, KEY_END);
	CHECK_KEYS("\033[1;5A\033[5;2~", KEY_UP, KEY_PAGE_UP);
}

/* Nothing of them is taken for a key. */
static void test_unknown(void)
{
	CHECK_KEYS("\033[2~\033[200~x\033[?1;2cx", 'x', 'x');
	CHECK_KEYS("\033[[Ax\033Px\033[99999999999999999999~x", 'x', 'x', 'x');
	CHECK_KEYS("\033[12\033[Ax", KEY_UP, 'x');
	/* Not UTF-8: overlong, surrogates, beyond, cut, controls of the upper half */
	CHECK_KEYS("\xc0\xafx\xed\xa0\x80x\xf4\x90\x80\x80x\xe4\xb8x\xc2\x9bx\x80\xffx", 'x', 'x', 'x', 'x', 'x', 'x');
}

static void test_escape(void)
{
	struct keys k = { 0 };

	CHECK_INT(keys_pause(&k), KEY_NONE);
	CHECK_INT(keys_byte(&k, 0x1b), KEY_NONE);
	CHECK(keys_wait(&k));
	CHECK_INT(keys_pause(&k), KEY_ESCAPE);
	CHECK(!keys_wait(&k));
	CHECK_KEYS("\033\033[A", KEY_ESCAPE, KEY_UP);
}

/* Whatever comes, the state stays what it may be, and in the end a key is a key again. */
static void test_any_bytes(void)
{
	struct keys k = { 0 };
	uint32_t seed = 1, key = KEY_NONE;

	for (unsigned i = 0; i < 1000000; i++) {
		seed = seed * 1664525 + 1013904223;
		key = keys_byte(&k, (uint8_t)(seed >> 24));
		CHECK(key <= KEY_PAGE_DOWN);
		CHECK(key == KEY_NONE || key >= ' ');
	}
	for (unsigned i = 0; i < 4; i++)
		key = keys_byte(&k, 'q');
	CHECK_INT(key, 'q');
}

/* --- what they do --------------------------------------------------------------------- */

static void press(struct top_view *v, const char *keys)
{
	for (; *keys; keys++)
		top_view_key(v, (uint8_t)*keys);
}

static void test_groups_and_sorts(void)
{
	struct top_view v = { .by = FLOWS_BY_PROCESS };

	for (unsigned i = 0; i < 5; i++) {
		CHECK_INT(v.by, FLOWS_BY_PROCESS + i);
		press(&v, "g");
	}
	CHECK_INT(v.by, FLOWS_BY_PROCESS);
	press(&v, "s");
	CHECK_INT(v.sort, FLOWS_SORT_PACKETS);
	top_view_key(&v, KEY_LEFT);
	top_view_key(&v, KEY_LEFT);
	CHECK_INT(v.sort, FLOWS_SORT_LAST);
	top_view_key(&v, KEY_RIGHT);
	CHECK_INT(v.sort, FLOWS_SORT_BYTES);
	press(&v, "n");
	CHECK_INT(v.sort, FLOWS_SORT_NAME);
	press(&v, "t");
	CHECK_INT(v.sort, FLOWS_SORT_RETRANSMITS);
	press(&v, "r");
	CHECK_INT(v.sort, FLOWS_SORT_RATE);
	CHECK(!v.quit);
	press(&v, "z");
	CHECK(v.clear);
	press(&v, "q");
	CHECK(v.quit);
}

static void test_filter(void)
{
	struct top_view v = { .by = FLOWS_BY_PROCESS };

	press(&v, "/qz");
	CHECK_STR(v.filter, "qz");
	CHECK(v.typing && !v.quit && !v.clear);
	top_view_key(&v, 0xe9);
	top_view_key(&v, 0x1f600);
	CHECK_STR(v.filter, "qz\xc3\xa9\xf0\x9f\x98\x80");
	top_view_key(&v, KEY_BACKSPACE);
	CHECK_STR(v.filter, "qz\xc3\xa9");
	top_view_key(&v, KEY_BACKSPACE);
	top_view_key(&v, KEY_BACKSPACE);
	CHECK_STR(v.filter, "q");
	top_view_key(&v, KEY_ENTER);
	CHECK(!v.typing);
	top_view_key(&v, KEY_ESCAPE);
	CHECK_STR(v.filter, "");
	press(&v, "/");
	top_view_key(&v, KEY_BACKSPACE);
	for (unsigned i = 0; i < 1000; i++)
		top_view_key(&v, 0x4e2d);
	CHECK_INT(strlen(v.filter), TOP_FILTER_MAX - 1);
	top_view_key(&v, KEY_ERASE);
	CHECK_STR(v.filter, "");
}

static void test_scrolling(void)
{
	struct top_view v = { .by = FLOWS_BY_PROCESS, .page = 10 };

	top_view_key(&v, KEY_UP);
	CHECK_INT(v.offset, 0);
	top_view_key(&v, KEY_PAGE_DOWN);
	top_view_key(&v, KEY_DOWN);
	CHECK_INT(v.offset, 11);
	top_view_key(&v, KEY_PAGE_UP);
	CHECK_INT(v.offset, 1);
	top_view_key(&v, KEY_END);
	CHECK(v.offset > 1000000);
	top_view_key(&v, KEY_HOME);
	CHECK_INT(v.offset, 0);
}

static void test_help(void)
{
	struct top_view v = { .by = FLOWS_BY_PROCESS };

	press(&v, "?");
	CHECK(v.help);
	press(&v, "g");
	CHECK(!v.help && v.by == FLOWS_BY_PROCESS);
	press(&v, " ");
	CHECK(v.paused);
	press(&v, "hq");
	CHECK(v.quit);
}

/* --- layout --------------------------------------------------------------------------- */

static unsigned width_of(const struct top_layout *l)
{
	unsigned width = 0;

	for (unsigned c = 0; c < TOP_COLS; c++) {
		if (l->columns[c].width)
			width = l->columns[c].at + l->columns[c].width;
	}
	return width;
}

static void test_layout_fits(void)
{
	for (unsigned width = 1; width < 400; width++) {
		for (unsigned longest = 0; longest < 300; longest += 7) {
			const unsigned wanted[TOP_TEXTS] = { longest, 300 - longest, longest / 2 };
			unsigned at = 0;
			struct top_layout l;

			top_layout(&l, width % 2 ? FLOWS_BY_FLOW : FLOWS_BY_PROCESS, width, wanted);
			CHECK(width_of(&l) <= width);
			CHECK(l.columns[TOP_COL_NAME].width > 0);
			for (unsigned c = 0; c < TOP_COLS; c++) {
				if (!l.columns[c].width)
					continue;
				CHECK_INT(l.columns[c].at, at);
				at += l.columns[c].width + 1;
			}
		}
	}
}

static void test_layout_most_important_first(void)
{
	const unsigned wanted[TOP_TEXTS] = { 20, 30, 30 }, bare[TOP_TEXTS] = { 9, 1, 14 };
	struct top_layout l;

	top_layout(&l, FLOWS_BY_PROCESS, 39, wanted);
	CHECK(l.columns[TOP_COL_RATE].width && !l.columns[TOP_COL_PEER].width);
	top_layout(&l, FLOWS_BY_PROCESS, 79, wanted);
	CHECK(l.columns[TOP_COL_PEER].width >= 21 && l.columns[TOP_COL_PLACE].width);
	CHECK(!l.columns[TOP_COL_PACKETS_IN].width);
	/* No row is in a container. */
	top_layout(&l, FLOWS_BY_PROCESS, 79, bare);
	CHECK(!l.columns[TOP_COL_PLACE].width);
	CHECK(l.columns[TOP_COL_PACKETS_IN].width && l.columns[TOP_COL_PACKETS_OUT].width);
	top_layout(&l, FLOWS_BY_CONTAINER, 199, wanted);
	CHECK(!l.columns[TOP_COL_PLACE].width && l.columns[TOP_COL_FIRST].width);
}

static void test_numbers(void)
{
	static const uint64_t values[] = { 0, 9, 999, 1000, 99999, 999999, 1000000, 123456789, UINT64_MAX };

	for (unsigned width = 5; width < 24; width++) {
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			struct buf b = { 0 };
			size_t n;

			top_put_number(&b, values[i], width);
			n = b.len;
			buf_done(&b);
			CHECK(n > 0 && n <= width);
		}
	}
}

/* A line of a row, in a buffer of its own. */
static struct buf line_of(unsigned width, const char *name, const char *peer)
{
	const struct flows_counts n = { .way = { { 3, 300 }, { 4, 4000000000000 } }, .retransmits = 7 };
	const struct top_row row = { .texts = { str_of(name), str_of("-"), str_of(peer) }, .n = &n, .rate = 12345678 };
	const unsigned wanted[TOP_TEXTS] = { columns_of(row.texts[0]), 1, columns_of(row.texts[TOP_COL_PEER]) };
	struct top_layout l;
	struct buf b = { 0 };

	top_layout(&l, FLOWS_BY_PROCESS, width, wanted);
	top_put_row(&b, &l, &row, true);
	buf_putc(&b, '\0');
	return b;
}

static void test_line(void)
{
	struct buf b = line_of(79, "curl.1234", "10.0.0.2.443 +3");

	CHECK_STR(b.p, "curl.1234 10.0.0.2.443 +3       300     4.00T  12.3M        3        4     7");
	buf_done(&b);
	b = line_of(39, "a-name-of-many-letters.1234", "10.0.0.2.443");
	CHECK_STR(b.p, "a-name-of-.. "
		       "      300     4.00T  12.3M");
	buf_done(&b);
}

/* Behind what may be wide, columns begin where the terminal is told to. */
static void test_line_wide(void)
{
	struct buf b = line_of(79, "\xe4\xb8\xad.1", "10.0.0.2.443");

	CHECK(strstr(b.p, "\xe4\xb8\xad.1\033[K\033[11G10.0.0.2.443"));
	buf_done(&b);
	/* Never a part of a character. */
	for (unsigned width = 34; width < 60; width++) {
		b = line_of(width,
			    "\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad",
			    "-");
		CHECK(!strstr(b.p, "\xe4\xb8.") && !strstr(b.p, "\xe4."));
		buf_done(&b);
	}
}

static void test_cut(void)
{
	struct buf b = { 0 };

	buf_puts(&b, "0123456789");
	top_cut(&b, 10);
	CHECK_INT(b.len, 10);
	top_cut(&b, 6);
	buf_putc(&b, '\0');
	CHECK_STR(b.p, "0123..");
	b.len = 6;
	top_cut(&b, 1);
	CHECK_INT(b.len, 0);
	buf_done(&b);
}

int main(void)
{
	RUN(test_characters);
	RUN(test_sequences);
	RUN(test_unknown);
	RUN(test_escape);
	RUN(test_any_bytes);
	RUN(test_groups_and_sorts);
	RUN(test_filter);
	RUN(test_scrolling);
	RUN(test_help);
	RUN(test_layout_fits);
	RUN(test_layout_most_important_first);
	RUN(test_numbers);
	RUN(test_line);
	RUN(test_line_wide);
	RUN(test_cut);
	return check_status();
}
