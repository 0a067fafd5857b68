/* SPDX-License-Identifier: BSD-3-Clause */
/* The process filter in the kernel against its rule: of a packet one end has to satisfy every kind that is asked for. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ptcpdump/owner.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "verdict_host.skel.h"

enum verdict { NO, YES, MAYBE }; /* as enum owner_verdict */
enum { KINDS = SELECT_PID | SELECT_NAME | SELECT_UID | SELECT_CGROUP };
enum { USER = 1000, OTHER_USER, CGROUP_YES = 1, CGROUP_NO, CGROUP_UNKNOWN };
/* What ptcp_judged says of processes, whatever their cgroup tells. */
enum { JUDGED_YES = 2, JUDGED_NO = 3 };

/* What ptcp_pids says of the processes 1, 2 and so on; nothing: it does not hold them. */
static const struct {
	uint32_t bits;
	uint32_t ago; /* when its name ceased to match, in units of 2^30 ns; 0: never */
} pids[] = {
	{ 0, 0 },
	{ SELECT_PID_LIVE, 0 },
	{ SELECT_PID_NAME, 0 },
	{ SELECT_PID_USER, 0 },
	{ SELECT_PID_LIVE | SELECT_PID_NAME, 0 },
	{ SELECT_PID_LIVE | SELECT_PID_NAME | SELECT_PID_DEAD, 0 },
	{ SELECT_PID_LIVE, 1 },
	{ SELECT_PID_LIVE, 2 * SELECT_NAME_KEEP },
	{ 0, 1 },
};
enum { PIDS = sizeof(pids) / sizeof(pids[0]) };

struct end {
	uint32_t pid, uid, cgroup;
	bool provisional;
};

static bool name_possible(uint32_t pid)
{
	const uint32_t ago = pids[pid - 1].ago;

	return (pids[pid - 1].bits & SELECT_PID_NAME) || (ago && ago < SELECT_NAME_KEEP);
}

static enum verdict expected_by_place(const struct end *e)
{
	if (e->pid == JUDGED_YES || e->pid == JUDGED_NO)
		return e->pid == JUDGED_YES ? YES : NO;
	return e->cgroup == CGROUP_YES ? YES : e->cgroup == CGROUP_NO ? NO : MAYBE;
}

static enum verdict expected_of_end(const struct end *e, uint32_t kinds, bool follow)
{
	const uint32_t bits = pids[e->pid - 1].bits;
	const bool by_user = follow && !(kinds & (SELECT_PID | SELECT_NAME)) && (bits & SELECT_PID_USER);

	if (e->provisional)
		return MAYBE;
	if ((kinds & SELECT_PID) && !(bits & SELECT_PID_LIVE))
		return NO;
	if ((kinds & SELECT_NAME) && !name_possible(e->pid))
		return NO;
	if ((kinds & SELECT_UID) && e->uid != USER && !by_user)
		return NO;
	if ((kinds & SELECT_CGROUP) && expected_by_place(e) != YES)
		return expected_by_place(e);
	return kinds & SELECT_NAME ? MAYBE : YES;
}

static enum verdict expected(const struct end ends[2], uint32_t kinds, bool follow)
{
	const enum verdict src = expected_of_end(&ends[0], kinds, follow);
	const enum verdict dst = expected_of_end(&ends[1], kinds, follow);

	if (src == YES || dst == YES)
		return YES;
	return src == NO && dst == NO ? NO : MAYBE;
}

static uint32_t units_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)(((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec) >> 30);
}

static void fill(const struct verdict_host *host)
{
	const uint32_t user = USER, yes = 1, no = 0;
	const uint32_t judged_in = JUDGED_YES, judged_out = JUDGED_NO;
	const uint64_t in = CGROUP_YES, out = CGROUP_NO;

	for (uint32_t pid = 1; pid <= PIDS; pid++) {
		const uint32_t ago = pids[pid - 1].ago, since = ago ? units_now() - ago : 0;
		const uint32_t value = pids[pid - 1].bits | since << SELECT_PID_SINCE;

		if (value)
			bpf_map_update_elem(bpf_map__fd(host->maps.ptcp_pids), &pid, &value, BPF_ANY);
	}
	bpf_map_update_elem(bpf_map__fd(host->maps.ptcp_uids), &user, &yes, BPF_ANY);
	bpf_map_update_elem(bpf_map__fd(host->maps.ptcp_cgroups), &in, &yes, BPF_ANY);
	bpf_map_update_elem(bpf_map__fd(host->maps.ptcp_cgroups), &out, &no, BPF_ANY);
	bpf_map_update_elem(bpf_map__fd(host->maps.ptcp_judged), &judged_in, &yes, BPF_ANY);
	bpf_map_update_elem(bpf_map__fd(host->maps.ptcp_judged), &judged_out, &no, BPF_ANY);
}

static uint32_t random_below(uint32_t n)
{
	static uint64_t state = 88172645463325252U;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 20) % n;
}

static int verdict(const struct verdict_host *host, const struct end ends[2])
{
	uint8_t packet[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet), .repeat = 1);

	for (unsigned i = 0; i < 2; i++) {
		host->bss->owners[i].tgid = ends[i].pid;
		host->bss->owners[i].uid = ends[i].uid;
		host->bss->owners[i].cgroup = ends[i].cgroup;
		host->bss->provisional[i] = ends[i].provisional;
	}
	return bpf_prog_test_run_opts(bpf_program__fd(host->progs.host_verdict), &opts) ? -1 : (int)opts.retval;
}

static void check_kinds(uint32_t kinds, bool follow, uint32_t counts[3])
{
	struct verdict_host *host = verdict_host__open();

	if (!host)
		CHECK_FAIL("no object");
	host->rodata->select_kinds = kinds;
	host->rodata->select_follow = follow;
	if (verdict_host__load(host)) {
		verdict_host__destroy(host);
		CHECK_FAIL("not loaded");
	}
	fill(host);
	for (unsigned i = 0; i < 400 && !check_why[0]; i++) {
		struct end ends[2];
		int got, want;

		for (unsigned k = 0; k < 2; k++)
			ends[k] = (struct end){ 1 + random_below(PIDS), USER + random_below(2),
						CGROUP_YES + random_below(3), random_below(8) == 0 };
		got = verdict(host, ends);
		want = expected(ends, kinds, follow);
		counts[want]++;
		if (got != want)
			snprintf(check_why, sizeof(check_why),
				 "kinds %x follow %d: %d, not %d, of pids %u %u, uids %u %u, cgroups %u %u", kinds,
				 follow, got, want, ends[0].pid, ends[1].pid, ends[0].uid, ends[1].uid, ends[0].cgroup,
				 ends[1].cgroup);
	}
	verdict_host__destroy(host);
}

static void test_kinds(void)
{
	uint32_t counts[3] = { 0 };

	if (geteuid() != 0)
		CHECK_SKIP("needs root");
	for (uint32_t kinds = 1; kinds <= KINDS && !check_why[0]; kinds++) {
		check_kinds(kinds, false, counts);
		if (!check_why[0])
			check_kinds(kinds, true, counts);
	}
	if (check_why[0])
		return;
	CHECK(counts[NO] > 1000 && counts[YES] > 1000 && counts[MAYBE] > 1000);
}

int main(void)
{
	RUN(test_kinds);
	return check_status();
}
