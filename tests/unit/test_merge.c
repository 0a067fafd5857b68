/* SPDX-License-Identifier: BSD-3-Clause */
/* What is not seen of a run: clocks that differ, and packets without a time. The rest is in tests/golden/merge.py. */
#include "reader/merge.h"

#include <fcntl.h>
#include <unistd.h>

#include "capfile.h"
#include "check.h"

static const uint8_t bytes[64] = { 1, 2, 3 };

struct seen {
	struct buf text;
	struct merge *m;
};

static int on_iface(void *arg, const struct iface *iface)
{
	struct seen *s = arg;

	buf_printf(&s->text, "%u:%s@%s ", iface->id, iface->name, iface->host ? iface->host : "");
	if (merge_input_of(s->m, iface) != iface->source)
		abort();
	return 0;
}

static int on_packet(void *arg, const struct packet *p)
{
	struct seen *s = arg;

	buf_printf(&s->text, "%u/%lld.%09lld/%llu ", p->iface->id, (long long)p->sec, (long long)p->nsec,
		   (unsigned long long)p->file_ts);
	return 0;
}

static int stop_at_once(void *arg, const struct packet *p)
{
	on_packet(arg, p);
	return 1;
}

static void told(void *arg, size_t input, enum merge_event event)
{
	struct seen *s = arg;
	static const char *const words[] = {
		[MERGE_OPENED] = "opened", [MERGE_ENDED] = "ended", [MERGE_BROKE] = "broke",
		[MERGE_SILENT] = "silent", [MERGE_LATE] = "late",
	};

	buf_printf(&s->text, "%zu:%s ", input, words[event]);
}

static struct merge *new_merge(struct seen *s)
{
	const struct merge_config config = { .arg = s, .told = told, .patience = 1000000 };

	if (merge_new(&s->m, &config))
		abort();
	return s->m;
}

static void add(struct merge *m, struct capfile *c, const char *name, int64_t offset)
{
	struct merge_input input = { .path = "x", .name = name, .offset = offset };

	cf_write(cf_temp_name(), c->b.p, c->b.len);
	input.fd = open(cf_temp_name(), O_RDONLY | O_CLOEXEC);
	CHECK_INT(merge_add(m, &input), 0);
	unlink(cf_temp_name());
	buf_done(&c->b);
}

static void section(struct capfile *c, unsigned digits)
{
	*c = (struct capfile){ 0 };
	cf_section(c, NULL);
	cf_iface(c, 1, 0, "a", digits, 0);
}

static void run(struct seen *s, int (*packet)(void *arg, const struct packet *p))
{
	const struct reader_handler h = { .arg = s, .iface = on_iface, .packet = packet };

	merge_open(s->m);
	CHECK_INT(merge_run(s->m, &h), 0);
	buf_put(&s->text, "", 1);
	merge_free(s->m);
}

static void test_offset(void)
{
	struct seen s = { .text = { 0 } };
	struct merge *m = new_merge(&s);
	struct capfile c;

	/* Before the epoch there is nothing in a file. */
	section(&c, 9);
	cf_end(&c, cf_packet(&c, 0, 500, 60, 60, bytes));
	cf_end(&c, cf_packet(&c, 0, 3000000000, 60, 60, bytes));
	add(m, &c, "one", -1000);
	section(&c, 6);
	cf_end(&c, cf_packet(&c, 0, 1500000, 60, 60, bytes));
	add(m, &c, "two", 499999999);
	c = (struct capfile){ 0 };
	cf_pcap_header(&c, 0xa1b2c3d4, 65535, 1);
	cf_pcap_record(&c, 5, 999999, 60, 60, bytes);
	add(m, &c, "three", -2500000000);
	run(&s, on_packet);
	CHECK_STR(s.text.p, "0:opened 1:opened 2:opened 0:a@one 1:a@two 2:@three "
			    "0/-1.999999500/0 1/1.999999999/1999999 1:ended 0/2.999999000/2999999000 0:ended "
			    "2/3.499999000/0 2:ended ");
	buf_done(&s.text);
}

static void put_simple(struct capfile *c)
{
	const size_t start = cf_begin(c, PCAPNG_SPB);

	cf32(c, 60);
	cf_bytes(c, bytes, 60);
	cf_end(c, start);
}

/* They stay where they are in their file. */
static void test_timeless(void)
{
	struct seen s = { .text = { 0 } };
	struct merge *m = new_merge(&s);
	struct capfile c;

	section(&c, 9);
	cf_end(&c, cf_packet(&c, 0, 20, 60, 60, bytes));
	put_simple(&c);
	cf_end(&c, cf_packet(&c, 0, 30, 60, 60, bytes));
	add(m, &c, NULL, 1000);
	section(&c, 9);
	cf_end(&c, cf_packet(&c, 0, 1025, 60, 60, bytes));
	add(m, &c, NULL, 0);
	run(&s, on_packet);
	CHECK_STR(s.text.p,
		  "0:opened 1:opened 0:a@x 1:a@x "
		  "0/0.000001020/1020 0/0.000000000/0 1/0.000001025/1025 1:ended 0/0.000001030/1030 0:ended ");
	buf_done(&s.text);
}

static void test_stop(void)
{
	struct seen s = { .text = { 0 } };
	struct merge *m = new_merge(&s);
	struct capfile c;

	section(&c, 9);
	cf_end(&c, cf_packet(&c, 0, 20, 60, 60, bytes));
	cf_end(&c, cf_packet(&c, 0, 30, 60, 60, bytes));
	add(m, &c, "n", 0);
	run(&s, stop_at_once);
	CHECK_STR(s.text.p, "0:opened 0:a@n 0/0.000000020/20 ");
	buf_done(&s.text);
}

int main(void)
{
	RUN(test_offset);
	RUN(test_timeless);
	RUN(test_stop);
	return check_status();
}
