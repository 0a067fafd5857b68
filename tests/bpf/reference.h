/* SPDX-License-Identifier: BSD-3-Clause */
/* libpcap's verdicts, which are the right ones by definition. */
#ifndef TEST_REFERENCE_H
#define TEST_REFERENCE_H

/* libpcap and libbpf both have a struct bpf_program and a struct bpf_insn. */
#define bpf_program pcap_bpf_program
#define bpf_insn pcap_bpf_insn
#include <pcap/pcap.h>
#undef bpf_program
#undef bpf_insn

#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

#include "filter/filter.h"

static sigjmp_buf reference_stuck;

static void reference_alarm(int sig)
{
	siglongjmp(reference_stuck, sig);
}

static bool has_loop(const struct filter_code *code)
{
	for (uint32_t i = 0; i < code->n; i++)
		if (code->insns[i].code == 5 /* BPF_JMP | BPF_JA */ && code->insns[i].k > INT32_MAX)
			return true;
	return false;
}

static uint32_t reference_run(const struct filter_code *code, const uint8_t *data, uint32_t caplen, uint32_t len)
{
	struct pcap_bpf_program prog = { .bf_len = code->n, .bf_insns = (void *)code->insns };
	struct pcap_pkthdr head = { .caplen = caplen, .len = len };

	return (uint32_t)pcap_offline_filter(&prog, &head, data);
}

/* Where libpcap's interpreter would never return, the answer is no match. */
static inline uint32_t reference_match(const struct filter_code *code, const uint8_t *data, uint32_t caplen,
				       uint32_t len)
{
	struct itimerval limit = { .it_value.tv_usec = 300000 }, none = { 0 };
	struct sigaction act = { .sa_handler = reference_alarm };
	uint32_t match;

	if (!has_loop(code))
		return reference_run(code, data, caplen, len);
	sigaction(SIGALRM, &act, NULL);
	if (sigsetjmp(reference_stuck, 1))
		return 0;
	setitimer(ITIMER_REAL, &limit, NULL);
	match = reference_run(code, data, caplen, len);
	setitimer(ITIMER_REAL, &none, NULL);
	return match;
}

#endif
