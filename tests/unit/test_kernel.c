/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel is asked, and what programs are told of the answers. */
#include "capture/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/attrib.h"
#include "capture/attrib_hooks.h"
#include "check.h"
#include "ptcpdump.skel.h"

/* Whatever this kernel offers, each row says what it is and what is lost without it. */
static void test_every_row_is_shown(void)
{
	size_t size, lines = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	CHECK_INT(attrib_probe(out), 0);
	fclose(out);
	for (const char *s = text; (s = strchr(s, '\n')); s++)
		lines++;
	CHECK_INT(lines, 1 + hooks_count + KERNEL_FEATURES);
	CHECK(!strstr(text, "(null)"));
	free(text);
}

/* Without attribution nobody sets them. */
static void test_settings_are_safe_before_they_are_set(void)
{
	struct ptcpdump *skel = ptcpdump__open();

	CHECK(skel);
	CHECK_INT(skel->rodata->attrib_softirq_stack, 1);
	CHECK_INT(skel->rodata->attrib_task_btf, 0);
	CHECK_INT(skel->rodata->attrib_trace_storage, 0);
	CHECK_INT(skel->rodata->owner_preempt_off, 0);
	CHECK_INT(skel->rodata->tap_fragments, 0);
	CHECK_INT(skel->rodata->packet_unaligned, 1);
	ptcpdump__destroy(skel);
}

static void test_programs_are_told(void)
{
	bool has[KERNEL_FEATURES] = { false };
	struct ptcpdump__rodata settings = { .attrib_softirq_stack = 1, .packet_snaplen = 7 };

	has[KERNEL_TASK_BTF] = true;
	kernel_tell(has, &settings);
	CHECK_INT(settings.attrib_task_btf, 1);
	CHECK_INT(settings.attrib_softirq_stack, 0);
	CHECK_INT(settings.attrib_trace_storage, 0);
	CHECK_INT(settings.packet_snaplen, 7);
}

static void test_features_can_be_hidden(void)
{
	bool has[KERNEL_FEATURES];

	setenv("PTCPDUMP_HIDE", "links,ringbuf,", 1);
	CHECK_INT(kernel_hide_check(), 0);
	CHECK(!kernel_has(KERNEL_RINGBUF) && !kernel_has(KERNEL_LINKS) && !kernel_takes_packet_programs());
	CHECK(kernel_hides(KERNEL_LINKS) && !kernel_hides(KERNEL_TCX));
	CHECK_INT(kernel_look(has, NULL, NULL, 0), 0);
	CHECK(!has[KERNEL_RINGBUF]);
	setenv("PTCPDUMP_HIDE", "", 1);
	CHECK_INT(kernel_hide_check(), 0);
	CHECK(!kernel_hides(KERNEL_LINKS));
	unsetenv("PTCPDUMP_HIDE");
}

/* Each word by itself: a beginning of one, or one that hides nothing, is a mistake. */
static void test_unknown_words_are_refused(void)
{
	static const char *const wrong[] = { "link", "linksx", "links,,tcx", "links tcx", ",", "LINKS" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		setenv("PTCPDUMP_HIDE", wrong[i], 1);
		CHECK_INT(kernel_hide_check(), -EINVAL);
	}
	unsetenv("PTCPDUMP_HIDE");
}

/* Functions are for kernels whose tracepoints do not tell, and kprobes for those that take nothing better there. */
static void test_functions_are_needed_by_some(void)
{
	const size_t told = hook_row(offsetof(struct ptcpdump, progs.ptcp_recv_len));
	const size_t entry = hook_row(offsetof(struct ptcpdump, progs.ptcp_udp_read));
	const size_t probed = hook_row(offsetof(struct ptcpdump, progs.ptcp_udp_read_probed));
	struct hook_support s = { 0 };

	CHECK(!hook_replaced(&s, entry));
	CHECK(!hook_replaced(&s, probed));
	CHECK(!hook_stood_in(&s, entry));
	s.usable[probed] = true;
	CHECK(hook_stood_in(&s, entry));
	CHECK(!hook_stood_in(&s, told));
	s.usable[probed] = false;
	s.usable[entry] = true;
	CHECK(!hook_replaced(&s, entry));
	CHECK(hook_replaced(&s, probed));
	s.usable[entry] = false;
	s.usable[told] = true;
	CHECK(hook_replaced(&s, entry));
	CHECK(hook_replaced(&s, probed));
	CHECK_INT(hooks_probe(&s), 0);
	if (!s.usable[told])
		CHECK_SKIP("no sock_recv_length here");
	CHECK(!s.usable[entry] && !s.usable[probed] && !s.has[KERNEL_KPROBE]);
}

int main(void)
{
	RUN(test_features_can_be_hidden);
	RUN(test_unknown_words_are_refused);
	RUN(test_every_row_is_shown);
	RUN(test_settings_are_safe_before_they_are_set);
	RUN(test_programs_are_told);
	RUN(test_functions_are_needed_by_some);
	return check_status();
}
