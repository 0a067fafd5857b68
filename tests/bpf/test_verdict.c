/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process filter in the kernel against its rule: of a packet one end has to satisfy every kind that is asked for, or any, or
 * the packet has to match the rest of the expression.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <ptcpdump/owner.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "filter/code.h"
#include "process_host.skel.h"
#include "verdict_host.skel.h"

enum verdict { NO, YES, MAYBE, UNJUDGED, VERDICTS }; /* as enum owner_verdict; of ends the last one */
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
	return e->cgroup == CGROUP_YES ? YES : e->cgroup == CGROUP_NO ? NO : UNJUDGED;
}

/* What is asked for. */
struct asked {
	uint32_t kinds, how;
	bool follow;
};

static bool of_user(const struct end *e, const struct asked *a)
{
	const bool by_descent = a->follow && !(a->kinds & (SELECT_PID | SELECT_NAME));

	return e->uid == USER || (by_descent && (pids[e->pid - 1].bits & SELECT_PID_USER));
}

static enum verdict expected_of_all(const struct end *e, const struct asked *a)
{
	if ((a->kinds & SELECT_PID) && !(pids[e->pid - 1].bits & SELECT_PID_LIVE))
		return NO;
	if ((a->kinds & SELECT_NAME) && !name_possible(e->pid))
		return NO;
	if ((a->kinds & SELECT_UID) && !of_user(e, a))
		return NO;
	if ((a->kinds & SELECT_CGROUP) && expected_by_place(e) != YES)
		return expected_by_place(e);
	return a->kinds & SELECT_NAME ? MAYBE : YES;
}

static enum verdict expected_of_any(const struct end *e, const struct asked *a)
{
	const enum verdict by_place = a->kinds & SELECT_CGROUP ? expected_by_place(e) : NO;

	if ((a->kinds & SELECT_PID) && (pids[e->pid - 1].bits & SELECT_PID_LIVE))
		return YES;
	if (((a->kinds & SELECT_UID) && of_user(e, a)) || by_place == YES)
		return YES;
	return (a->kinds & SELECT_NAME) && name_possible(e->pid) ? MAYBE : by_place;
}

static enum verdict expected_of_end(const struct end *e, const struct asked *a)
{
	if (e->provisional)
		return MAYBE;
	return a->how == SELECT_ALL ? expected_of_all(e, a) : expected_of_any(e, a);
}

/* What the kernel says of a packet, tells in its record, and does. */
struct outcome {
	uint32_t verdict, told;
	bool taken; /* for the rest of the expression */
};

static struct outcome expected(const struct end ends[2], const struct asked *a, bool matches_rest)
{
	const enum verdict src = expected_of_end(&ends[0], a), dst = expected_of_end(&ends[1], a);
	struct outcome o = { .verdict = MAYBE, .told = EVENT_PKT_MAYBE };

	if (src == YES || dst == YES)
		return (struct outcome){ .verdict = YES };
	if (src == NO && dst == NO)
		return (struct outcome){ .verdict = NO, .taken = a->how == SELECT_ANY_OR_REST && matches_rest };
	if (a->how != SELECT_ANY_OR_REST && src != MAYBE && dst != MAYBE)
		o.told |= EVENT_PKT_UNJUDGED;
	return o;
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

static bool run(const struct verdict_host *host, const struct end ends[2], uint8_t first_byte, bool l3,
		struct outcome *ret)
{
	uint8_t packet[64] = { first_byte };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet), .repeat = 1);

	for (unsigned i = 0; i < 2; i++) {
		host->bss->owners[i].tgid = ends[i].pid;
		host->bss->owners[i].uid = ends[i].uid;
		host->bss->owners[i].cgroup = ends[i].cgroup;
		host->bss->provisional[i] = ends[i].provisional;
	}
	host->bss->l3 = l3;
	if (bpf_prog_test_run_opts(bpf_program__fd(host->progs.host_verdict), &opts))
		return false;
	*ret = (struct outcome){ opts.retval, host->bss->told, host->bss->taken };
	return true;
}

enum { REST_L2 = 1, REST_L3, FIRST_BYTES }; /* the first byte of what the rest of the expression matches */

static int code_of(uint8_t first_byte, struct filter_code *ret)
{
	const struct filter_insn insns[] = {
		{ 0x30, 0, 0, 0 }, { 0x15, 0, 1, first_byte }, { 6, 0, 0, 1 }, { 6, 0, 0, 0 }
	};

	return filter_code_new(insns, sizeof(insns) / sizeof(insns[0]), ret);
}

static int load(struct filter_inject *inject, const struct asked *asked, struct verdict_host **ret)
{
	struct filter_code l2 = { 0 }, l3 = { 0 };
	struct verdict_host *host = verdict_host__open();
	char err[FILTER_ERR_LEN];
	int rc = host ? code_of(REST_L2, &l2) : -ENOENT;

	if (!rc)
		rc = code_of(REST_L3, &l3);
	if (!rc) {
		host->rodata->select_kinds = asked->kinds;
		host->rodata->select_how = asked->how;
		host->rodata->select_follow = asked->follow;
		rc = filter_inject_set(inject, host->obj, &(struct filter_codes){ .rest_l2 = &l2, .rest_l3 = &l3 },
				       err);
	}
	if (!rc)
		rc = verdict_host__load(host);
	filter_done(&l2);
	filter_done(&l3);
	if (rc)
		verdict_host__destroy(host);
	else
		*ret = host;
	return rc;
}

/* Of each verdict, and of what is taken without one, how many. */
struct counts {
	uint32_t of[VERDICTS], taken;
};

static void check_one(const struct verdict_host *host, const struct asked *asked, struct counts *counts)
{
	const uint8_t first_byte = (uint8_t)random_below(FIRST_BYTES);
	const bool l3 = random_below(2);
	struct outcome got, want;
	struct end ends[2];

	for (unsigned k = 0; k < 2; k++)
		ends[k] = (struct end){ 1 + random_below(PIDS), USER + random_below(2), CGROUP_YES + random_below(3),
					random_below(8) == 0 };
	want = expected(ends, asked, first_byte == (l3 ? REST_L3 : REST_L2));
	counts->of[want.told & EVENT_PKT_UNJUDGED ? UNJUDGED : want.verdict]++;
	counts->taken += want.taken;
	if (!run(host, ends, first_byte, l3, &got))
		CHECK_FAIL("not run");
	if (got.verdict != want.verdict || got.told != want.told || got.taken != want.taken)
		CHECK_FAIL(
			"kinds %x how %u follow %d: %u told %x taken %d, not %u told %x taken %d, of pids %u %u, uids %u %u, "
			"cgroups %u %u",
			asked->kinds, asked->how, asked->follow, got.verdict, got.told, got.taken, want.verdict,
			want.told, want.taken, ends[0].pid, ends[1].pid, ends[0].uid, ends[1].uid, ends[0].cgroup,
			ends[1].cgroup);
}

static void check_asked(struct filter_inject *inject, const struct asked *asked, struct counts *counts)
{
	struct verdict_host *host;
	int rc = load(inject, asked, &host);

	if (rc)
		CHECK_FAIL("not loaded: %d", rc);
	fill(host);
	for (unsigned i = 0; i < 400 && !check_why[0]; i++)
		check_one(host, asked, counts);
	verdict_host__destroy(host);
}

static void test_kinds(void)
{
	struct filter_inject *inject;
	struct counts counts[3] = { 0 };

	if (geteuid() != 0)
		CHECK_SKIP("needs root");
	CHECK_INT(filter_inject_new(&inject, NULL), 0);
	for (uint32_t how = SELECT_ALL; how <= SELECT_ANY_OR_REST; how++)
		for (uint32_t kinds = 1; kinds <= KINDS; kinds++)
			for (int follow = 0; follow < 2 && !check_why[0]; follow++)
				check_asked(inject, &(struct asked){ kinds, how, follow }, &counts[how]);
	filter_inject_free(inject);
	for (uint32_t how = SELECT_ALL; how <= SELECT_ANY_OR_REST && !check_why[0]; how++) {
		const struct counts *c = &counts[how];

		CHECK(c->of[NO] > (how == SELECT_ALL ? 1000 : 500) && c->of[YES] > 1000 && c->of[MAYBE] > 1000);
		CHECK(how == SELECT_ANY_OR_REST ? !c->of[UNJUDGED] && c->taken > 100 : c->of[UNJUDGED] > 200);
	}
}

/* What ptcp_pids says of a child after it was forked, 0 nothing: before is of another process that had its pid. */
static uint32_t forked(const struct process_host *host, uint32_t parent_bits, uint32_t before)
{
	const uint32_t parent = 10, child = 11;
	const int map = bpf_map__fd(host->maps.ptcp_pids);
	uint8_t packet[64] = { 0 };
	uint32_t after = 0;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet), .repeat = 1);

	bpf_map_update_elem(map, &parent, &parent_bits, BPF_ANY);
	bpf_map_update_elem(map, &child, &before, BPF_ANY);
	host->bss->parent = parent;
	host->bss->child = child;
	if (bpf_prog_test_run_opts(bpf_program__fd(host->progs.host_fork), &opts))
		return UINT32_MAX;
	bpf_map_lookup_elem(map, &child, &after);
	return after;
}

/* A pid that is asked for by its number is so whoever has it. */
static void test_pid_used_again(void)
{
	const uint32_t given = SELECT_PID_LIVE | SELECT_PID_GIVEN;
	struct process_host *host;
	struct bpf_program *prog;

	if (geteuid() != 0)
		CHECK_SKIP("needs root");
	host = process_host__open();
	CHECK(host);
	bpf_object__for_each_program(prog, host->obj) bpf_program__set_autoload(prog, prog == host->progs.host_fork);
	host->rodata->select_kinds = SELECT_PID | SELECT_NAME;
	host->rodata->select_how = SELECT_ANY;
	CHECK_INT(process_host__load(host), 0);
	CHECK_INT(forked(host, 0, given | SELECT_PID_DEAD), given);
	CHECK_INT(forked(host, 0, given | SELECT_PID_NAME | SELECT_PID_DEAD), given);
	CHECK_INT(forked(host, SELECT_PID_NAME, given | SELECT_PID_DEAD), given | SELECT_PID_NAME);
	CHECK_INT(forked(host, SELECT_PID_NAME | SELECT_PID_DEAD, given | SELECT_PID_DEAD), given);
	/* Not one that was so by descent, or by an option; nor is a child given by its parent. */
	CHECK_INT(forked(host, 0, SELECT_PID_LIVE | SELECT_PID_DEAD), 0);
	CHECK_INT(forked(host, given, 0), 0);
	process_host__destroy(host);
}

int main(void)
{
	RUN(test_kinds);
	RUN(test_pid_used_again);
	return check_status();
}
