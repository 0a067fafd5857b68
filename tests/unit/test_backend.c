/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of backends: its rows are whole, and what they say of themselves decides which one is taken. */
#include "capture/backend.h"

#include <errno.h>
#include <pcap/dlt.h>
#include <stdlib.h>

#include "capture/capture.h"
#include "check.h"

static void check_row(const struct backend *b)
{
	bool l3;

	CHECK(b->help && b->missing && b->open && b->attach && b->stop && b->count && b->close);
	/* Without programs of our own somebody else brings the packets. */
	CHECK(b->programs == !!b->prepare);
	CHECK(b->programs == !b->collect);
	CHECK(b->programs || b->finish);
	/* Where devices are refused there is a backend that serves them. */
	CHECK(!b->device == !b->instead);
	CHECK(!b->instead || (backend_find(b->instead) && !backend_find(b->instead)->instead));
	if (!b->device)
		return;
	CHECK(b->device(1 /* ARPHRD_ETHER */, &l3) && !l3);
	CHECK(b->device(65534 /* ARPHRD_NONE */, &l3) && l3);
	CHECK(!b->device(803 /* ARPHRD_IEEE80211_RADIOTAP */, &l3));
}

static void test_rows(void)
{
	char *words = strdup(capture_backend_words), *rest = words;
	unsigned n = 0;

	CHECK(strncmp(words, backend_default()->name, strlen(backend_default()->name)) == 0);
	for (const char *word; (word = strsep(&rest, " ")); n++) {
		CHECK(backend_find(word));
		CHECK_STR(backend_find(word)->name, word);
		check_row(backend_find(word));
	}
	CHECK(n >= 2);
	CHECK(backend_find(backend_without_bpf())->bpf_optional);
	CHECK(!backend_find("") && !backend_find("tc "));
	free(words);
}

static const char *choose(const char *name, const struct capture_config *wanted)
{
	const struct backend *b = NULL;
	const int err = capture_choose_backend(name, wanted, &b);

	return err == -EINVAL ? "refused" : err ? "error" : b->name;
}

static void test_choice(void)
{
	static const char *const lo[] = { "lo", NULL }, *const any[] = { "any", NULL },
				 *const none[] = { "none7", NULL };
	static const char *const netns[] = { "blue", NULL };
	const char *first = backend_default()->name, *instead = backend_default()->instead;

	CHECK_STR(choose(NULL, &(struct capture_config){ .ifaces = lo, .dlt = -1 }), first);
	CHECK_STR(choose("tp-btf", &(struct capture_config){ .ifaces = lo, .dlt = -1 }), "tp-btf");
	CHECK_STR(choose("nonsense", &(struct capture_config){ .ifaces = lo, .dlt = -1 }), "refused");
	/* Flags of tcpdump. */
	CHECK_STR(choose(NULL, &(struct capture_config){ .ifaces = lo, .dlt = -1, .monitor = true }), instead);
	CHECK_STR(choose(first, &(struct capture_config){ .ifaces = lo, .dlt = -1, .monitor = true }), "refused");
	CHECK_STR(choose(instead, &(struct capture_config){ .ifaces = lo, .dlt = -1, .monitor = true }), instead);
	CHECK_STR(choose(NULL, &(struct capture_config){ .ifaces = lo, .dlt = -1, .tstamp_type = "host" }), first);
	CHECK_STR(choose(NULL, &(struct capture_config){ .ifaces = lo, .dlt = -1, .tstamp_type = "adapter" }), instead);
	/* Another link type than the device's first. */
	CHECK_STR(choose(NULL, &(struct capture_config){ .ifaces = lo, .dlt = DLT_EN10MB }), first);
	CHECK_STR(choose(NULL, &(struct capture_config){ .ifaces = lo, .dlt = DLT_IEEE802_11 }), instead);
	CHECK_STR(choose(NULL, &(struct capture_config){ .ifaces = any, .dlt = DLT_EN10MB }), instead);
	/* Names that no device has are refused later; those of other namespaces cannot be looked at. */
	CHECK_STR(choose(NULL, &(struct capture_config){ .ifaces = any, .dlt = -1 }), first);
	CHECK_STR(choose(NULL, &(struct capture_config){ .ifaces = none, .dlt = -1 }), first);
	CHECK_STR(choose(NULL, &(struct capture_config){ .ifaces = none, .dlt = -1, .netns = netns }), first);
}

int main(void)
{
	RUN(test_rows);
	RUN(test_choice);
	return check_status();
}
