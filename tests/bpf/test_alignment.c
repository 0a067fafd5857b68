/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs and filters where words must lie at multiples of their size, as on riscv: any kernel looks at programs like that
 * when it is told to.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <ptcpdump/count.h>
#include <ptcpdump/event.h>

#include "check.h"
#include "filter/filter.h"
#include "filter_host.skel.h"
#include "ptcpdump.skel.h"

/* Older verifiers look at what counts packets, too. */
enum { SNAPLEN = COUNT_WORK_MAX };

static struct filter_inject *inject;

/* strict: the programs are marked as they are where that is so. */
static void choose(struct bpf_object *obj, const char *const *names, bool strict)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, obj)
	{
		bpf_program__set_autoload(prog, false);
		if (strict)
			bpf_program__set_flags(prog, BPF_F_STRICT_ALIGNMENT);
	}
	for (; *names; names++)
		bpf_program__set_autoload(bpf_object__find_program_by_name(obj, *names), true);
}

/* Quietly: one of the tests is refused. */
static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static int load_capture(bool unaligned)
{
	static const char *const names[] = { "ptcp_l2", "ptcp_l3", "ptcp_sock", NULL };
	struct ptcpdump *skel = ptcpdump__open();
	int err;

	if (!skel)
		return -errno;
	choose(skel->obj, names, true);
	skel->rodata->packet_unaligned = unaligned;
	skel->rodata->packet_snaplen = SNAPLEN;
	bpf_map__set_value_size(skel->maps.ptcp_scratch, sizeof(struct event_packet) + SNAPLEN);
	err = ptcpdump__load(skel);
	ptcpdump__destroy(skel);
	return err;
}

static void test_programs_pass(void)
{
	CHECK_INT(load_capture(false), 0);
}

static void test_programs_are_told_of_it(void)
{
	CHECK_INT(load_capture(true), -EACCES);
}

static int load_filter(const char *expr, bool strict)
{
	static const char *const names[] = { "host_tc", "host_cgroup", "host_socket", NULL };
	const struct filter_compile_opts l2 = { .dlt = 1, .netmask = 0xffffff }, l3 = { .dlt = 12 };
	struct filter_code code_l2 = { 0 }, code_l3 = { 0 };
	struct filter_host *host = filter_host__open();
	char text[FILTER_ERR_LEN];
	int err = host ? 0 : -errno;

	if (!err)
		err = filter_compile(expr, &l2, &code_l2, text);
	if (!err)
		err = filter_compile(expr, &l3, &code_l3, text);
	if (!err) {
		choose(host->obj, names, strict);
		err = filter_inject_set(inject, host->obj, &(struct filter_codes){ .l2 = &code_l2, .l3 = &code_l3 },
					text);
	}
	if (!err)
		err = filter_host__load(host);
	filter_host__destroy(host);
	filter_done(&code_l2);
	filter_done(&code_l3);
	return err;
}

static void test_filters_pass(void)
{
	static const char *const exprs[] = {
		"host 10.0.0.1 and port 443", "ip[21:4] = 7", "udp[9:2] = 5 or tcp[13] & 7 != 0",
		"ip6 protochain 6",	      "len > 70000",  NULL
	};

	for (const char *const *expr = exprs; *expr; expr++) {
		CHECK_INT(load_filter(*expr, false), 0);
		CHECK_INT(load_filter(*expr, true), 0);
	}
}

int main(void)
{
	libbpf_set_print(silent);
	if (filter_inject_new(&inject, NULL))
		return 1;
	if (bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, NULL, "GPL",
			  (const struct bpf_insn[]){ { .code = BPF_ALU64 | BPF_MOV | BPF_K },
						     { .code = BPF_JMP | BPF_EXIT } },
			  2, NULL) < 0) {
		printf("skip - alignment: no BPF programs may be loaded here: %s\n", strerror(errno));
		return 0;
	}
	RUN(test_programs_pass);
	RUN(test_programs_are_told_of_it);
	RUN(test_filters_pass);
	filter_inject_free(inject);
	return check_status();
}
