/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A byte each for the link type and what of the terms is true, a length, a packet of that many bytes, and any text as an
 * expression: what it is without process terms, what libpcap makes of the rest, and whether the weaker code lets through what
 * the exact one does. Nothing is looked up.
 */
#include <pcap/dlt.h>

#include "filter/expr.h"
#include "filter/filter.h"
#include "filter/translate.h"
#include "fuzz.h"
#include "util/buf.h"

/* libpcap takes minutes for some long ones. */
enum { TEXT_MAX = 400 };

static void check_term(const struct filter_term *t)
{
	char err[FILTER_ERR_LEN];
	struct filter_expr *again;
	struct buf b = { 0 };

	filter_term_put(&b, t);
	buf_putc(&b, '\0');
	for (const char *p = t->value; *p; p++)
		if (*p < ' ' || *p > '~') { /* is escaped */
			buf_done(&b);
			return;
		}
	FUZZ_CHECK(filter_expr_new(&again, b.p, err) == 0);
	FUZZ_CHECK(again->n == 1 && again->terms->kind == t->kind && again->terms->end == t->end);
	FUZZ_CHECK(strcmp(again->terms->value, t->value) == 0);
	filter_expr_free(again);
	buf_done(&b);
}

struct packet {
	uint8_t *data;
	size_t n;
	struct filter_truth truth;
};

static bool match(const struct filter_code *code, const struct packet *p, size_t n)
{
	return filter_match(code, p->data, (uint32_t)n, (uint32_t)p->n, &p->truth);
}

static void check_code(const struct filter_code *exact, const struct packet *p)
{
	const uint32_t reach = filter_reach(exact);
	struct filter_code weak, again;

	FUZZ_CHECK(filter_weaken(exact, NULL, &weak) == 0);
	FUZZ_CHECK(!match(exact, p, p->n) || match(&weak, p, p->n));
	FUZZ_CHECK(match(exact, p, p->n) == match(exact, p, p->n < reach ? p->n : reach));
	FUZZ_CHECK(filter_code_new(exact->insns, exact->n, &again) == 0);
	FUZZ_CHECK(filter_code_set_expr(&again, exact->expr) == 0);
	FUZZ_CHECK(match(exact, p, p->n) == match(&again, p, p->n));
	for (int flavour = 0; flavour < FLAVOURS; flavour++) {
		struct filter_body body = { 0 };

		filter_translate(&weak, (enum filter_flavour)flavour, &body);
		filter_body_done(&body);
	}
	filter_dump(exact, 1, stdout);
	filter_done(&weak);
	filter_done(&again);
}

static void check_expr(const struct filter_expr *e, int dlt, const struct packet *p)
{
	const struct filter_compile_opts opts = { .dlt = dlt, .saved = true, .expr = e };
	struct filter_code code;
	char err[FILTER_ERR_LEN] = "";

	FUZZ_CHECK(e->n > 0 || e->exact == e->text);
	for (uint32_t i = 0; i < e->n; i++)
		check_term(&e->terms[i]);
	if (strlen(e->exact) > TEXT_MAX || filter_has_names(e->exact))
		return;
	if (filter_compile(e->exact, &opts, &code, err)) {
		FUZZ_CHECK(err[0]);
		return;
	}
	check_code(&code, p);
	filter_done(&code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int dlts[] = { DLT_EN10MB,		  DLT_RAW,   DLT_NULL, DLT_LINUX_SLL, DLT_LINUX_SLL2,
				    DLT_IEEE802_11_RADIO, DLT_IPNET, DLT_PPP };
	struct fuzz f = { data, size };
	const int dlt = dlts[fuzz_u8(&f) % (sizeof(dlts) / sizeof(dlts[0]))];
	struct packet p = { 0 };
	struct filter_expr *e;
	char err[FILTER_ERR_LEN] = "", *text;

	memset(&p.truth, fuzz_u8(&f), sizeof(p.truth));
	p.n = fuzz_u8(&f);
	p.data = fuzz_bytes(&f, &p.n);
	text = fuzz_string(&f, f.n);
	if (filter_expr_new(&e, text, err) == 0) {
		FUZZ_CHECK(strcmp(e->text, text) == 0);
		check_expr(e, dlt, &p);
		filter_expr_free(e);
	} else {
		FUZZ_CHECK(err[0]);
	}
	free(text);
	free(p.data);
	return 0;
}
