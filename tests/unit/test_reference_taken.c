/* SPDX-License-Identifier: BSD-3-Clause */
/* If somebody could make comments that have the reference of others: neither would be shown for the other. */
#include <pcap/dlt.h>

#include "capfile.h"
#include "check.h"
#include "fake.h"
#include "format/reference.h"
#include "output/output.h"

static struct iface eth0 = { .ifindex = 2, .dlt = DLT_EN10MB, .snaplen = 262144, .name = (char *)"eth0" };

FAKE(struct reference, reference_of, const uint8_t *comments, size_t len)
{
	return (struct reference){ { 1 } };
}

static int tell(void *arg, const struct packet *p)
{
	const struct str args = p->annot->process.args;

	told("%.*s; ", args.n ? (int)args.n : 1, args.n ? args.p : "-");
	return 0;
}

/* Packets of the owners that letters stand for; those whose comments come a second time refer to them. */
static void write_file(const char *path, const char *letters)
{
	const struct file_config config = { .path = path, .context = ANNOT_ALL, .compact_comments = true };
	struct packet p = { .data = (const uint8_t *)"", .iface = &eth0, .dir = DIR_OUT };
	struct output *o;

	CHECK_INT(output_file_new(&o, &config), 0);
	for (; *letters; letters++) {
		const char args[] = { 'o', 'f', ' ', *letters, 0 };
		const struct annotation a = {
			.serial = (uint64_t)*letters,
			.has = ANNOT_PROCESS | ANNOT_USER,
			/* The short comments are the same for all. */
			.process = { .pid = 17, .cmd = str_of("/usr/bin/curl"), .args = str_of(args) },
			.uid = 1000,
			.user = str_of("a name that is so long that a reference to all of this is shorter"),
		};

		p.annot = &a;
		CHECK_INT(o->ops->packet(o, &p), 0);
	}
	CHECK_INT(o->ops->finish(o), 0);
	o->ops->free(o);
}

static void check_told(const char *letters, const char *owners)
{
	const struct reader_handler h = { .packet = tell };
	const char *path = cf_temp_name();
	struct reader *r;

	write_file(path, letters);
	CHECK_INT(reader_open(&r, path), 0);
	CHECK_INT(reader_run(r, &h), 0);
	reader_free(r);
	unlink(path);
	CHECK_STR(what_was_told(), owners);
}

static void test_taken(void)
{
	check_told("aaa", "of a; of a; of a; ");
	check_told("aabab", "of a; of a; of b; -; -; ");
	check_told("aabacac", "of a; of a; of b; -; of c; -; -; ");
	/* Before anybody asked for references. */
	check_told("abab", "of a; of b; -; -; ");
}

int main(void)
{
	RUN(test_taken);
	return check_status();
}
