/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/match.h"

#include "check.h"

static struct annotation curl_of_bash(void)
{
	return (struct annotation){
		.serial = 1,
		.has = ANNOT_PROCESS | ANNOT_PARENT | ANNOT_USER,
		.process = { .pid = 20, .cmd = str_of("/usr/bin/curl") },
		.parent = { .pid = 10, .cmd = str_of("/bin/bash") },
		.uid = 1000,
	};
}

/* Whether a matches, with nothing else asked for than config. */
static bool matches(const struct match_config *config, const struct annotation *a)
{
	struct match *m;
	enum match_end end;

	if (match_new(&m, config))
		return false;
	end = match_annotation(m, a);
	match_free(m);
	return end != MATCH_NONE;
}

static void test_nothing_asked(void)
{
	const struct match_config config = { 0 };
	struct annotation a = curl_of_bash();

	CHECK(matches(&config, &a));
	CHECK(matches(&config, NULL));
}

static void test_pid(void)
{
	const uint32_t right[] = { 5, 20 }, wrong[] = { 10, 5000000 };
	struct match_config config = { .pids = right, .npids = 2 };
	struct annotation a = curl_of_bash();

	CHECK(matches(&config, &a));
	CHECK(!matches(&config, NULL));
	config.pids = wrong;
	CHECK(!matches(&config, &a));
	a.has |= ANNOT_PEER;
	a.peer.pid = 10;
	CHECK(matches(&config, &a));
}

/* The number alone is not the process. */
static void test_pid_outside(void)
{
	const uint32_t ours[] = { 20 }, outside[] = { 20 | PID_OUTSIDE };
	struct match_config config = { .pids = ours, .npids = 1 };
	struct annotation a = curl_of_bash();

	a.process.pid |= PID_OUTSIDE;
	CHECK(!matches(&config, &a));
	config.pids = outside;
	CHECK(matches(&config, &a));
	a.process.pid = 20;
	CHECK(!matches(&config, &a));
	/* No such pid: beyond the bits, whatever a file says. */
	a.process.pid = 4194304 + 20;
	CHECK(!matches(&config, &a));
	a.process.pid = 0xffffffff;
	CHECK(!matches(&config, &a));
}

static void test_name(void)
{
	const char *const curl[] = { "curl", NULL }, *const bash[] = { "bash", NULL };
	const char *const path[] = { "/usr/bin/curl", NULL }, *const longer[] = { "a-very-long-name-indeed", NULL };
	struct match_config config = { .pnames = curl };
	struct annotation a = curl_of_bash();

	CHECK(matches(&config, &a));
	config.pnames = bash;
	CHECK(!matches(&config, &a));
	config.pnames = path;
	CHECK(!matches(&config, &a));
	/* Of a name that is only known from the kernel, 15 characters are left. */
	config.pnames = longer;
	a.process.cmd = str_of("a-very-long-nam");
	CHECK(matches(&config, &a));
	a.process.cmd = str_of("a-very-long-nam2");
	CHECK(!matches(&config, &a));
}

static bool named(const char *given, struct process_desc p)
{
	const char *const list[] = { given, NULL };
	const struct match_config config = { .pnames = list };
	const struct annotation a = { .serial = 1, .has = ANNOT_PROCESS, .process = p };

	return matches(&config, &a);
}

static struct process_desc called(const char *cmd, const char *name, const char *comm)
{
	struct process_desc p = { .pid = 20, .cmd = str_of(cmd), .args = str_of("x") };

	process_desc_set_names(&p, str_of(name), str_of(comm));
	return p;
}

/* The name, the executable's, and what the process calls itself. */
static void test_names(void)
{
	const struct process_desc applet = called("/bin/busybox", "nslookup", "renamed");

	CHECK(named("nslookup", applet));
	CHECK(named("busybox", applet));
	CHECK(named("renamed", applet));
	CHECK(!named("nslook", applet));
	CHECK(!named("x", applet));
	CHECK(named("ns*p", applet) && named("[ab]usybox", applet) && named("rename?", applet));
	CHECK(!named("ns*b", applet) && !named("nslook?", applet));
	/* What looks like a pattern is also a name. */
	CHECK(named("[x]", called("/bin/y", "[x]", "y")) && named("[x]", called("/bin/x", "z", "z")));
}

/* 15 characters are known of a comm, and of a name where nothing tells the rest. */
static void test_long_names(void)
{
	const struct process_desc full = called("/bin/python3", "ansible-playbook", "ansible-playboo");
	const struct process_desc cut = called("/bin/python3", "ansible-playboo", "ansible-playboo");
	const struct process_desc exact = called("/bin/ansible-playboo", "ansible-playboo", "ansible-playboo");
	const struct process_desc renamed = called("/bin/python3", "python3", "ansible-playboo");

	CHECK(named("ansible-playbook", full) && named("ansible-playboo", full) && !named("ansible-playboom", full));
	CHECK(named("ansible-playbook", cut) && named("ansible-playboo", cut));
	CHECK(!named("ansible-playbook", exact) && named("ansible-playboo", exact));
	CHECK(named("ansible-playbook", renamed) && named("python3", renamed));
}

/* The name of another thread than the main one is not its process's; the main one's is, where no other was saved. */
static void test_thread_is_no_process(void)
{
	const char *const worker[] = { "worker", NULL };
	const struct match_config config = { .pnames = worker };
	struct annotation a = curl_of_bash();

	a.has |= ANNOT_THREAD;
	a.thread = str_of("worker");
	CHECK(!matches(&config, &a));
	a.tid = a.process.pid;
	CHECK(matches(&config, &a));
	/* Nor does it tell anything when it is but the cut name. */
	a.process = called("/bin/python3", "ansible-playbook", "ansible-playboo");
	a.process.pid = a.tid;
	a.thread = str_of("ansible-playboo");
	CHECK(matches(&(struct match_config){ .pnames = (const char *const[]){ "ansible-playbook", NULL } }, &a));
	CHECK(!matches(&(struct match_config){ .pnames = (const char *const[]){ "ansible-playboom", NULL } }, &a));
}

static void test_uid(void)
{
	const uint32_t uid[] = { 1000 }, root[] = { 0 };
	struct match_config config = { .uids = uid, .nuids = 1 };
	struct annotation a = curl_of_bash();

	CHECK(matches(&config, &a));
	config.uids = root;
	CHECK(!matches(&config, &a));
	/* Unknown is not root. */
	a.has &= ~(unsigned)ANNOT_USER;
	a.uid = 0;
	CHECK(!matches(&config, &a));
}

/* In a file the name that was saved counts; where none was, the number that the name has here. */
static void test_user_by_name(void)
{
	char usual[] = "root";
	struct match_user user = { .name = "toor", .known = true, .usual = usual };
	const struct match_config config = { .users = &user, .nusers = 1 };
	struct annotation a = curl_of_bash();

	a.uid = 0;
	CHECK(matches(&config, &a));
	a.user = str_of("somebody");
	CHECK(!matches(&config, &a));
	a.user = str_of("root");
	CHECK(matches(&config, &a));
	a.uid = 1000;
	a.user = str_of("toor");
	CHECK(matches(&config, &a));
	user = (struct match_user){ .name = "elsewhere" };
	a.uid = 0;
	a.user = str_of("");
	CHECK(!matches(&config, &a));
	a.user = str_of("elsewhere");
	CHECK(matches(&config, &a));
}

static void test_container(void)
{
	const char *const id[] = { "0123456789ab", NULL }, *const name[] = { "web", NULL };
	struct match_config config = { .containers.ids = id };
	struct annotation a = curl_of_bash();

	CHECK(!matches(&config, &a));
	a.has |= ANNOT_CONTAINER;
	a.container.id = str_of("0123456789abcdef");
	a.container.name = str_of("web");
	CHECK(matches(&config, &a));
	a.container.id = str_of("0123456789a");
	CHECK(!matches(&config, &a));
	config = (struct match_config){ .containers.names = name };
	CHECK(matches(&config, &a));
	a.container.name = str_of("web2");
	CHECK(!matches(&config, &a));
}

static void test_pod(void)
{
	const char *const dotted[] = { "my.app.prod", NULL }, *const plain[] = { "app", NULL };
	struct match_config config = { .containers.pods = dotted };
	struct annotation a = curl_of_bash();

	a.has |= ANNOT_POD;
	a.pod.name = str_of("my.app");
	a.pod.namespace = str_of("prod");
	CHECK(matches(&config, &a));
	config.containers.pods = plain;
	CHECK(!matches(&config, &a));
	a.pod.name = str_of("app");
	CHECK(!matches(&config, &a));
	a.pod.namespace = str_of("default");
	CHECK(matches(&config, &a));
}

static enum match_end selects(const struct match_config *config, const struct annotation *a)
{
	enum match_end end = MATCH_NONE;
	struct match *m;

	if (match_new(&m, config))
		return MATCH_NONE;
	end = match_annotation(m, a);
	match_free(m);
	return end;
}

static void test_every_kind(void)
{
	const uint32_t pid[] = { 20 }, other_uid[] = { 7, 8 }, uid[] = { 7, 1000 };
	struct match_config config = { .pids = pid, .npids = 1, .uids = other_uid, .nuids = 2 };
	struct annotation a = curl_of_bash();

	CHECK_INT(selects(&config, &a), MATCH_NONE);
	config.uids = uid;
	CHECK_INT(selects(&config, &a), MATCH_OWNER);
}

/* What one end lacks the other one does not lend it. */
static void test_one_end_alone(void)
{
	const char *const curl[] = { "curl", NULL };
	const uint32_t root[] = { 0 };
	const struct match_config config = { .pnames = curl, .uids = root, .nuids = 1 };
	struct annotation a = curl_of_bash();

	a.has |= ANNOT_PEER | ANNOT_PEER_USER;
	a.peer = (struct process_desc){ .pid = 30, .cmd = str_of("/usr/sbin/nginx") };
	a.peer_uid = 0;
	CHECK_INT(selects(&config, &a), MATCH_NONE);
	a.peer.cmd = str_of("/usr/bin/curl");
	CHECK_INT(selects(&config, &a), MATCH_PEER);
	a.has &= ~(unsigned)ANNOT_PEER_USER;
	CHECK_INT(selects(&config, &a), MATCH_NONE);
	a.uid = 0;
	CHECK_INT(selects(&config, &a), MATCH_OWNER);
}

/* One end, as the rule of the manual has it: of each kind that is given, one value has to be right. */
struct end {
	bool process, user, container, pod;
	uint32_t pid, uid;
	const char *name, *id, *container_name, *pod_name;
};

static bool is_any(const char *s, const char *const *list, size_t prefix)
{
	for (; *list; list++) {
		if (prefix ? strncmp(s, *list, prefix) == 0 : strcmp(s, *list) == 0)
			return true;
	}
	return false;
}

static bool is_number(uint32_t n, const uint32_t *list, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (list[i] == n)
			return true;
	}
	return false;
}

static bool end_wanted(const struct match_config *c, const struct end *e)
{
	if (c->npids && !(e->process && is_number(e->pid, c->pids, c->npids)))
		return false;
	if (c->pnames && !(e->process && is_any(e->name, c->pnames, 0)))
		return false;
	if (c->nuids && !(e->user && is_number(e->uid, c->uids, c->nuids)))
		return false;
	if ((c->containers.ids || c->containers.names) &&
	    !(e->container && ((c->containers.ids && is_any(e->id, c->containers.ids, 12)) ||
			       (c->containers.names && is_any(e->container_name, c->containers.names, 0)))))
		return false;
	return !c->containers.pods || (e->pod && is_any(e->pod_name, c->containers.pods, 0));
}

static uint32_t random_below(uint32_t n)
{
	static uint64_t state = 88172645463325252U;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 20) % n;
}

static const char *const names[] = { "curl", "nginx", "sh" }, *const ids[] = { "0123456789ab", "ba9876543210" };

static struct end random_end(void)
{
	return (struct end){
		.process = random_below(8),
		.user = random_below(8),
		.container = random_below(4),
		.pod = random_below(4),
		.pid = 1 + random_below(3),
		.uid = random_below(3),
		.name = names[random_below(3)],
		.id = ids[random_below(2)],
		.container_name = names[random_below(3)],
		.pod_name = names[random_below(3)],
	};
}

static struct annotation annotation_of(const struct end *owner, const struct end *peer)
{
	return (struct annotation){
		.serial = 1,
		.has = (owner->process ? ANNOT_PROCESS : 0) | (owner->user ? ANNOT_USER : 0) |
		       (owner->container ? ANNOT_CONTAINER : 0) | (owner->pod ? ANNOT_POD : 0) |
		       (peer->process ? ANNOT_PEER : 0) | (peer->user ? ANNOT_PEER_USER : 0) |
		       (peer->container ? ANNOT_PEER_CONTAINER : 0) | (peer->pod ? ANNOT_PEER_POD : 0),
		.process = { .pid = owner->pid, .cmd = str_of(owner->name) },
		.uid = owner->uid,
		.container = { .id = str_of(owner->id), .name = str_of(owner->container_name) },
		.pod = { .name = str_of(owner->pod_name), .namespace = str_of("default") },
		.peer = { .pid = peer->pid, .cmd = str_of(peer->name) },
		.peer_uid = peer->uid,
		.peer_container = { .id = str_of(peer->id), .name = str_of(peer->container_name) },
		.peer_pod = { .name = str_of(peer->pod_name), .namespace = str_of("default") },
	};
}

static void test_rule(void)
{
	uint32_t counts[3] = { 0 }, wrong = 0;

	for (unsigned i = 0; i < 20000; i++) {
		const uint32_t kinds = random_below(64), pids[] = { 1, 1 + random_below(3) },
			       uids[] = { random_below(3) };
		const char *const one[] = { names[random_below(3)], NULL };
		const char *const two[] = { names[random_below(3)], names[random_below(3)], NULL };
		const char *const id[] = { ids[random_below(2)], NULL };
		const struct match_config config = {
			.pids = pids,
			.npids = kinds & 1 ? 2 : 0,
			.pnames = kinds & 2 ? two : NULL,
			.uids = uids,
			.nuids = kinds >> 2 & 1,
			.containers.ids = kinds & 8 ? id : NULL,
			.containers.names = kinds & 16 ? two : NULL,
			.containers.pods = kinds & 32 ? one : NULL,
		};
		const struct end owner = random_end(), peer = random_end();
		const struct annotation a = annotation_of(&owner, &peer);
		const enum match_end expected = end_wanted(&config, &owner)  ? MATCH_OWNER
						: end_wanted(&config, &peer) ? MATCH_PEER
									     : MATCH_NONE;

		counts[expected]++;
		wrong += selects(&config, &a) != expected;
	}
	CHECK_INT(wrong, 0);
	CHECK(counts[MATCH_NONE] > 1000 && counts[MATCH_OWNER] > 1000 && counts[MATCH_PEER] > 1000);
}

static void test_children_by_annotation(void)
{
	const uint32_t pid[] = { 10 };
	const struct match_config config = { .pids = pid, .npids = 1, .follow_forks = true };
	struct annotation child = curl_of_bash(), grandchild = curl_of_bash();
	struct match *m;
	bool before, first, second;

	grandchild.process.pid = 30;
	grandchild.parent.pid = 20;
	CHECK_INT(match_new(&m, &config), 0);
	before = match_annotation(m, &grandchild);
	first = match_annotation(m, &child);
	second = match_annotation(m, &grandchild);
	match_free(m);
	CHECK(!before);
	CHECK(first && second);
}

/* Nothing was seen of those between. */
static void test_descendants(void)
{
	const uint32_t pid[] = { 7 };
	const char *const name[] = { "sshd", NULL }, *const other[] = { "ssh", NULL };
	const struct match_config by_pid = { .pids = pid, .npids = 1, .follow_forks = true };
	const struct match_config by_name = { .pnames = name, .follow_forks = true };
	struct annotation a = curl_of_bash();

	CHECK(!matches(&by_pid, &a));
	a.has |= ANNOT_ANCESTORS;
	a.ancestors = str_of("bash.10,sshd.7,systemd.1");
	CHECK(matches(&by_pid, &a));
	CHECK(matches(&by_name, &a));
	CHECK(!matches(&(struct match_config){ .pids = pid, .npids = 1 }, &a));
	CHECK(!matches(&(struct match_config){ .pnames = other, .follow_forks = true }, &a));
}

static void test_descendants_at_the_other_end(void)
{
	const uint32_t pid[] = { 7 };
	const struct match_config config = { .pids = pid, .npids = 1, .follow_forks = true };
	struct annotation a = curl_of_bash(), child = curl_of_bash();
	enum match_end first, second;
	struct match *m;

	a.has |= ANNOT_PEER | ANNOT_PEER_ANCESTORS;
	a.peer = (struct process_desc){ .pid = 30, .cmd = str_of("/bin/server") };
	a.peer_ancestors = str_of("bash.8,sshd.7,systemd.1");
	child.parent.pid = 30;
	CHECK_INT(match_new(&m, &config), 0);
	first = match_annotation(m, &a);
	second = match_annotation(m, &child);
	match_free(m);
	CHECK_INT(first, MATCH_PEER);
	CHECK_INT(second, MATCH_OWNER);
}

/* Each kind has descendants of its own: pid 10's that are curl, of this user. */
static void test_family_of_each_kind(void)
{
	const char *const curl[] = { "curl", NULL };
	const uint32_t pid[] = { 10 }, uid[] = { 1000 };
	struct match_config config = { .pids = pid, .npids = 1, .pnames = curl, .follow_forks = true };
	struct annotation a = curl_of_bash();

	CHECK_INT(selects(&config, &a), MATCH_OWNER);
	a.process.cmd = str_of("/usr/bin/wget");
	CHECK_INT(selects(&config, &a), MATCH_NONE);
	/* The user is asked of the process itself, not of those that it comes from. */
	config = (struct match_config){ .pids = pid, .npids = 1, .uids = uid, .nuids = 1, .follow_forks = true };
	CHECK_INT(selects(&config, &a), MATCH_OWNER);
	a.uid = 0;
	CHECK_INT(selects(&config, &a), MATCH_NONE);
}

/* With nothing else to follow, it is the users' processes. */
static void test_family_of_a_user(void)
{
	const uint32_t uid[] = { 1000 };
	const struct match_config config = { .uids = uid, .nuids = 1, .follow_forks = true };
	const struct event_fork fork = { .type = EVENT_FORK, .child = { .tgid = 30, .parent_tgid = 20 } };
	struct annotation sh = curl_of_bash(), sudo = curl_of_bash();
	enum match_end before, first, second;
	struct match *m;

	sudo.process.pid = 30;
	sudo.parent.pid = 20;
	sudo.uid = 0;
	CHECK_INT(match_new(&m, &config), 0);
	before = match_annotation(m, &sudo);
	first = match_annotation(m, &sh);
	match_event(m, EVENT_FORK, &fork);
	second = match_annotation(m, &sudo);
	match_free(m);
	CHECK_INT(before, MATCH_NONE);
	CHECK_INT(first, MATCH_OWNER);
	CHECK_INT(second, MATCH_OWNER);
}

/* The kernel, which follows users when no option asks for processes, knows nothing of terms. */
static void test_family_of_a_user_beside_terms(void)
{
	static const struct filter_term terms[] = { { .kind = TERM_PNAME, .value = "wget" },
						    { .kind = TERM_UID, .value = "1000" } };
	static const struct filter_expr expr = { .terms = terms, .n = 2 };
	const uint32_t uid[] = { 1000 };
	const struct match_config config = { .uids = uid, .nuids = 1, .expr = &expr, .follow_forks = true };
	const struct event_fork fork = { .type = EVENT_FORK, .child = { .tgid = 30, .parent_tgid = 20 } };
	struct annotation sh = curl_of_bash(), sudo = curl_of_bash();
	const struct packet packet = { .annot = &sudo };
	struct filter_truth truth;
	enum match_end first, second;
	struct match *m;

	sudo.process.pid = 30;
	sudo.parent.pid = 20;
	sudo.uid = 0;
	CHECK_INT(match_new(&m, &config), 0);
	first = match_annotation(m, &sh);
	match_event(m, EVENT_FORK, &fork);
	second = match_annotation(m, &sudo);
	match_terms(m, &packet, &truth);
	match_free(m);
	CHECK_INT(first, MATCH_OWNER);
	CHECK_INT(second, MATCH_OWNER);
	CHECK_INT(truth.bits[0], 0);
}

/* What talks to a wanted process is shown, but its children are not wanted. */
static void test_peer_has_no_children(void)
{
	const uint32_t pid[] = { 99 };
	const struct match_config config = { .pids = pid, .npids = 1, .follow_forks = true };
	struct annotation talker = curl_of_bash(), child = curl_of_bash();
	struct match *m;
	bool first, second;

	talker.has |= ANNOT_PEER;
	talker.peer.pid = 99;
	child.process.pid = 30;
	child.parent.pid = 20;
	CHECK_INT(match_new(&m, &config), 0);
	first = match_annotation(m, &talker);
	second = match_annotation(m, &child);
	match_free(m);
	CHECK(first && !second);
}

static void test_children_by_event(void)
{
	const char *const name[] = { "make", NULL };
	const struct match_config config = { .pnames = name, .follow_forks = true };
	const struct event_exec exec = { .type = EVENT_EXEC, .task = { .tgid = 50, .comm = "make" } };
	const struct event_fork fork = { .type = EVENT_FORK, .child = { .tgid = 20, .parent_tgid = 50 } };
	struct annotation a = curl_of_bash();
	struct match *m;
	bool before, after;

	CHECK_INT(match_new(&m, &config), 0);
	match_event(m, EVENT_FORK, &fork);
	before = match_annotation(m, &a);
	match_event(m, EVENT_EXEC, &exec);
	match_event(m, EVENT_FORK, &fork);
	after = match_annotation(m, &a);
	match_free(m);
	CHECK(!before && after);
}

/* A script's comm is its own name, its executable is the interpreter. */
static void test_children_of_an_interpreter(void)
{
	static const char path[] = "/usr/bin/make";
	const char *const name[] = { "make", NULL };
	const struct match_config config = { .pnames = name, .follow_forks = true };
	const struct event_fork fork = { .type = EVENT_FORK, .child = { .tgid = 20, .parent_tgid = 50 } };
	char space[sizeof(struct event_exec) + sizeof(path)] __attribute__((aligned(8)));
	struct event_exec *exec = (struct event_exec *)space;
	struct annotation a = curl_of_bash();
	struct match *m;
	bool after;

	*exec = (struct event_exec){ .type = EVENT_EXEC, .task = { .tgid = 50, .comm = "script" } };
	exec->filename_len = sizeof(path) - 1;
	memcpy(exec->data, path, exec->filename_len);
	CHECK_INT(match_new(&m, &config), 0);
	match_event(m, EVENT_EXEC, exec);
	match_event(m, EVENT_FORK, &fork);
	after = match_annotation(m, &a);
	match_free(m);
	CHECK(after);
}

static void test_children_of_the_renamed(void)
{
	const char *const name[] = { "worker", NULL };
	const struct match_config config = { .pnames = name, .follow_forks = true };
	const struct event_fork fork = { .type = EVENT_FORK, .child = { .tgid = 20, .parent_tgid = 50 } };
	struct event_rename rename = { .type = EVENT_RENAME, .tgid = 50, .tid = 51, .comm = "worker" };
	struct annotation a = curl_of_bash();
	struct match *m;
	bool before, after;

	CHECK_INT(match_new(&m, &config), 0);
	match_event(m, EVENT_RENAME, &rename);
	match_event(m, EVENT_FORK, &fork);
	before = match_annotation(m, &a);
	rename.tid = 50;
	match_event(m, EVENT_RENAME, &rename);
	match_event(m, EVENT_FORK, &fork);
	after = match_annotation(m, &a);
	match_free(m);
	CHECK(!before && after);
}

/* Found at the start, the child before its parents. */
static void test_families_that_exist(void)
{
	const char *const name[] = { "make", NULL };
	struct match_config config = { .pnames = name, .follow_forks = true };
	const struct process_desc child = { .pid = 20, .cmd = str_of("/usr/bin/curl") };
	const struct process_desc between = { .pid = 10, .cmd = str_of("/bin/sh") };
	const struct process_desc make = { .pid = 5, .cmd = str_of("/usr/bin/make") };
	struct annotation a = curl_of_bash();
	struct match *m;
	bool after;

	a.has &= ~(unsigned)ANNOT_PARENT;
	CHECK_INT(match_new(&m, &config), 0);
	CHECK(!match_found(m, &child, 10, 1000));
	CHECK(!match_found(m, &between, 5, 1000));
	CHECK(match_found(m, &make, 1, 0));
	CHECK(!match_found(m, &make, 1, 0));
	CHECK(!match_found(m, &child, 10, 1000));
	CHECK(match_found(m, &between, 5, 1000));
	CHECK(match_found(m, &child, 10, 1000));
	after = match_annotation(m, &a);
	match_free(m);
	CHECK(after);
	config.follow_forks = false;
	CHECK_INT(match_new(&m, &config), 0);
	CHECK(!match_found(m, &make, 1, 0));
	match_free(m);
}

/* The users' processes, with nothing else to follow: what exists, and what it forks. */
static void test_families_of_users(void)
{
	const uint32_t uid[] = { 1000 };
	const struct match_config config = { .uids = uid, .nuids = 1, .follow_forks = true };
	const struct event_fork fork = { .type = EVENT_FORK, .child = { .tgid = 60, .parent_tgid = 5, .uid = 1000 } };
	const struct process_desc sudo = { .pid = 20, .cmd = str_of("/usr/bin/sudo") };
	const struct process_desc shell = { .pid = 10, .cmd = str_of("/bin/sh") };
	struct annotation found = curl_of_bash(), forked = curl_of_bash();
	struct match *m;
	bool both;

	found.has = forked.has = ANNOT_PROCESS | ANNOT_USER;
	found.uid = forked.uid = 0;
	forked.process.pid = 60;
	CHECK_INT(match_new(&m, &config), 0);
	CHECK(!match_found(m, &sudo, 10, 0));
	CHECK(match_found(m, &shell, 1, 1000));
	CHECK(match_found(m, &sudo, 10, 0));
	match_event(m, EVENT_FORK, &fork);
	both = match_annotation(m, &found) && match_annotation(m, &forked);
	match_free(m);
	CHECK(both);
}

/* Of a process outside of the pid namespace an event of its own tells. */
static void test_children_of_who_is_outside(void)
{
	const char *const name[] = { "worker", NULL };
	const struct match_config config = { .pnames = name, .follow_forks = true };
	const struct event_seen seen = { .type = EVENT_SEEN, .task = { .tgid = 50 | PID_OUTSIDE, .comm = "worker" } };
	const struct event_fork fork = { .type = EVENT_FORK, .child = { .tgid = 20, .parent_tgid = 50 | PID_OUTSIDE } };
	struct annotation a = curl_of_bash();
	struct match *m;
	bool before, after;

	a.has &= ~(unsigned)ANNOT_PARENT;
	CHECK_INT(match_new(&m, &config), 0);
	match_event(m, EVENT_FORK, &fork);
	before = match_annotation(m, &a);
	match_event(m, EVENT_SEEN, &seen);
	match_event(m, EVENT_FORK, &fork);
	after = match_annotation(m, &a);
	match_free(m);
	CHECK(!before && after);
}

/* Somebody else has got the pid of --pid, or of a child of it. */
static void test_pid_used_again(bool follow_forks)
{
	const uint32_t pid[] = { 20 };
	const struct match_config config = { .pids = pid, .npids = 1, .follow_forks = follow_forks };
	const struct event_fork other = { .type = EVENT_FORK, .child = { .tgid = 20, .parent_tgid = 1 } };
	struct annotation a = curl_of_bash();
	struct match *m;
	bool before, after;

	CHECK_INT(match_new(&m, &config), 0);
	before = match_annotation(m, &a);
	match_event(m, EVENT_FORK, &other);
	after = match_annotation(m, &a);
	match_free(m);
	CHECK(before && !after);
}

static void test_pids_used_again(void)
{
	test_pid_used_again(false);
	test_pid_used_again(true);
}

static void test_added_pid(void)
{
	const struct match_config config = { 0 };
	struct annotation a = curl_of_bash();
	struct match *m;
	bool before, other, after;

	CHECK_INT(match_new(&m, &config), 0);
	before = match_active(m);
	CHECK_INT(match_add_pid(m, 21), 0);
	other = match_annotation(m, &a);
	CHECK_INT(match_add_pid(m, 20), 0);
	after = match_annotation(m, &a);
	match_free(m);
	CHECK(!before && !other && after);
}

int main(void)
{
	RUN(test_nothing_asked);
	RUN(test_pid);
	RUN(test_pid_outside);
	RUN(test_name);
	RUN(test_names);
	RUN(test_long_names);
	RUN(test_thread_is_no_process);
	RUN(test_uid);
	RUN(test_user_by_name);
	RUN(test_container);
	RUN(test_pod);
	RUN(test_every_kind);
	RUN(test_one_end_alone);
	RUN(test_rule);
	RUN(test_children_by_annotation);
	RUN(test_descendants);
	RUN(test_descendants_at_the_other_end);
	RUN(test_family_of_each_kind);
	RUN(test_family_of_a_user);
	RUN(test_family_of_a_user_beside_terms);
	RUN(test_peer_has_no_children);
	RUN(test_children_by_event);
	RUN(test_children_of_an_interpreter);
	RUN(test_children_of_the_renamed);
	RUN(test_families_that_exist);
	RUN(test_families_of_users);
	RUN(test_children_of_who_is_outside);
	RUN(test_pids_used_again);
	RUN(test_added_pid);
	return check_status();
}
