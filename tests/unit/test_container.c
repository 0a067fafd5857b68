/* SPDX-License-Identifier: BSD-3-Clause */
/* Which container a process is in. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"
#include "meta/cgroup.h"
#include "meta/container.h"
#include "meta/process.h"
#include "runtime_rig.h"
#include "util/procfs.h"

/* No runtime is there. */
static const char *const nowhere[RUNTIMES] = { [RUNTIME_DOCKER] = "", [RUNTIME_CONTAINERD] = "", [RUNTIME_CRI] = "" };

static uint64_t verdict_cgroup;
static int verdict_match = -1;

static void on_verdict(void *arg, uint64_t cgroup, uint32_t tgid, bool match)
{
	(void)arg;
	(void)tgid;
	if (cgroup == verdict_cgroup)
		verdict_match = match;
}

static void one_container(struct fake *f, int fd, const char *path)
{
	(void)f;
	if (strncmp(path, "/events", 7) == 0) {
		fake_http_stream(fd);
		fake_hold(fd);
	} else if (strcmp(path, "/containers/json") == 0) {
		fake_http_answer(fd, 200, "[]");
	} else if (strstr(path, "?all=1&filters=%7B%22id%22%3A%5B%22" ID_B "%22%5D%7D")) {
		fake_http_answer(fd, 200,
				 "[{\"Id\":\"" ID_B "\",\"Names\":[\"/late\"],\"Image\":\"img:2\",\"Labels\":{}}]");
	} else if (strstr(path, "?all=1")) {
		fake_http_answer(fd, 200, "[]");
	} else {
		fake_http_answer(fd, 404, "{}");
	}
}

/* Asks until the answer is no longer pending; ms: how long that took. */
static enum container_answer wait_for_answer(struct containers *c, const struct process *p,
					     const struct container **ret, int *ms)
{
	const uint64_t start = clock_ns(CLOCK_MONOTONIC);
	enum container_answer answer;

	while ((answer = containers_find(c, p, ret)) == CONTAINER_PENDING &&
	       clock_ns(CLOCK_MONOTONIC) < start + 3000000000u) {
		poll(&(struct pollfd){ .fd = containers_fd(c), .events = POLLIN }, 1, 10);
		containers_step(c);
	}
	*ms = (int)((clock_ns(CLOCK_MONOTONIC) - start) / 1000000u);
	return answer;
}

static void test_find_by_cgroup(void)
{
	struct fake f = { .serve = fake_serve_http, .http = one_container };
	const char *names[] = { "late", NULL };
	const char *addresses[RUNTIMES] = { [RUNTIME_CONTAINERD] = "", [RUNTIME_CRI] = "" };
	struct containers_config config = { .addresses = addresses, .query.names = names, .verdict = on_verdict };
	char known[200], unknown[200], mount[] = "/sys/fs/cgroup/unified/test_container";
	struct containers *c = NULL;
	struct process p = { .tgid = 1, .start = 1 };
	const struct container *ret = NULL;
	enum container_answer answer;
	struct cgroup_fs fs;
	int ms;

	if (mkdir(mount, 0755) < 0)
		strcpy(mount, "/sys/fs/cgroup/test_container");
	if (mkdir(mount, 0755) < 0 && errno != EEXIST)
		CHECK_SKIP("cannot make a cgroup");
	snprintf(known, sizeof(known), "%s/docker-" ID_B ".scope", mount);
	snprintf(unknown, sizeof(unknown), "%s/docker-" ID_C ".scope", mount);
	mkdir(known, 0755);
	mkdir(unknown, 0755);
	socket_path(&f, "docker");
	fake_start(&f);
	addresses[RUNTIME_DOCKER] = f.path;
	cgroup_open(&fs);
	p.cgroup = verdict_cgroup = cgroup_id(&fs, "/test_container/docker-" ID_B ".scope");
	containers_new(&c, &config);
	containers_judge(c);
	answer = wait_for_answer(c, &p, &ret, &ms);
	containers_step(c);
	if (!p.cgroup || answer != CONTAINER_FOUND || !str_eq(ret->desc.name, str_of("late")) || ms > 400)
		snprintf(check_why, sizeof(check_why), "cgroup %llu: answer %d after %d ms",
			 (unsigned long long)p.cgroup, answer, ms);
	else if (verdict_match != 1)
		snprintf(check_why, sizeof(check_why), "verdict %d", verdict_match);
	/* Nobody knows this one: its id is what can be told, and its packets do not wait for ever. */
	p.cgroup = verdict_cgroup = cgroup_id(&fs, "/test_container/docker-" ID_C ".scope");
	verdict_match = -1;
	answer = wait_for_answer(c, &p, &ret, &ms);
	containers_step(c);
	if (!check_why[0] && (answer != CONTAINER_FOUND || !str_eq(ret->desc.name, str_of("cccccccccccc")) ||
			      ms > 700 || verdict_match != 0))
		snprintf(check_why, sizeof(check_why), "unknown: answer %d after %d ms, verdict %d", answer, ms,
			 verdict_match);
	/* A cgroup that has gone keeps its name. */
	rmdir(known);
	p.cgroup = cgroup_id(&fs, "/test_container");
	answer = wait_for_answer(c, &p, &ret, &ms);
	if (!check_why[0] && (answer != CONTAINER_NONE || ms > 50))
		snprintf(check_why, sizeof(check_why), "no container: answer %d after %d ms", answer, ms);
	containers_free(c);
	cgroup_close(&fs);
	fake_stop(&f);
	rmdir(known);
	rmdir(unknown);
	rmdir(mount);
}

/* --- before the runtimes have answered --- */

static const char scope[] = "docker-" ID_B ".scope";
static volatile bool may_answer;

/* Its list comes late; it has the container ID_B. */
static void late(struct fake *f, int fd, const char *path)
{
	(void)f;
	if (strncmp(path, "/events", 7) == 0) {
		fake_http_stream(fd);
		fake_hold(fd);
		return;
	}
	while (!may_answer)
		usleep(1000);
	if (strncmp(path, "/containers/json", 16) == 0)
		fake_http_answer(fd, 200,
				 "[{\"Id\":\"" ID_B "\",\"Names\":[\"/late\"],\"Image\":\"img:2\",\"Labels\":{}}]");
	else
		fake_http_answer(fd, 404, "{}");
}

struct early {
	struct fake f;
	const char *addresses[RUNTIMES];
	struct containers *c;
	struct cgroup_fs fs;
	struct process in, host; /* in the container, and in none */
};

/* False: no cgroup can be made here. */
static bool early_begin(struct early *e, const char *const *names)
{
	struct containers_config config = { .addresses = e->addresses, .query.names = names, .verdict = on_verdict };

	*e = (struct early){
		.f = { .serve = fake_serve_http, .http = late },
		.addresses = { [RUNTIME_CONTAINERD] = "", [RUNTIME_CRI] = "" },
		.in = { .tgid = 5000000, .start = 1, .pidns = 1, .mntns = 1 },
		.host = { .tgid = (uint32_t)getpid(), .start = procfs_start((uint32_t)getpid()) },
	};
	if (cgroup_open(&e->fs) || (mkdirat(e->fs.fd, scope, 0755) < 0 && errno != EEXIST))
		return false;
	e->in.cgroup = cgroup_id(&e->fs, scope);
	e->host.cgroup = e->fs.root_id;
	e->host.pidns = procfs_namespace(0, "pid");
	e->host.mntns = procfs_namespace(0, "mnt");
	may_answer = false;
	socket_path(&e->f, "late");
	fake_start(&e->f);
	e->addresses[RUNTIME_DOCKER] = e->f.path;
	return containers_new(&e->c, &config) == 0;
}

static void early_end(struct early *e)
{
	may_answer = true;
	containers_free(e->c);
	fake_stop(&e->f);
	unlinkat(e->fs.fd, scope, AT_REMOVEDIR);
	cgroup_close(&e->fs);
}

static void early_step(struct early *e, int ms)
{
	const uint64_t end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)ms * 1000000u;

	do {
		containers_step(e->c);
		poll(&(struct pollfd){ .fd = containers_fd(e->c), .events = POLLIN }, 1, 10);
	} while (clock_ns(CLOCK_MONOTONIC) < end);
}

/* Until its name is told, the id that the cgroup has is. */
static void test_id_until_the_name(void)
{
	const struct container *ret = NULL;
	struct early e;
	int ms;

	if (!early_begin(&e, NULL))
		CHECK_SKIP("cannot make a cgroup");
	early_step(&e, 20);
	if (containers_find(e.c, &e.in, &ret) != CONTAINER_PENDING || !ret ||
	    !str_eq(ret->desc.name, str_of("bbbbbbbbbbbb")))
		snprintf(check_why, sizeof(check_why), "no id is told while the runtime is asked");
	may_answer = true;
	if (!check_why[0] &&
	    (wait_for_answer(e.c, &e.in, &ret, &ms) != CONTAINER_FOUND || !str_eq(ret->desc.name, str_of("late"))))
		snprintf(check_why, sizeof(check_why), "no name is told after the answer");
	early_end(&e);
}

/* Who is in no container is known without any answer; a container is judged as soon as its name is known. */
static void check_verdicts(struct early *e)
{
	CHECK(containers_judge(e->c));
	verdict_cgroup = e->fs.v1 ? 0 : e->host.cgroup;
	verdict_match = -1;
	containers_process(e->c, &e->host);
	CHECK_INT(verdict_match, 0);
	verdict_match = -1;
	containers_process(e->c, &e->host);
	CHECK_INT(verdict_match, -1);
	/* It runs another program: the kernel has forgotten what was told of the process. */
	e->host.version++;
	containers_process(e->c, &e->host);
	CHECK_INT(verdict_match, e->fs.v1 ? 0 : -1);
	verdict_cgroup = e->in.cgroup;
	verdict_match = -1;
	containers_process(e->c, &e->in);
	early_step(e, 30);
	CHECK_INT(verdict_match, -1);
	may_answer = true;
	early_step(e, 200);
	CHECK_INT(verdict_match, 1);
}

static void test_verdicts_at_the_start(void)
{
	static const char *const names[] = { "late", NULL };
	struct early e;

	if (!early_begin(&e, names))
		CHECK_SKIP("cannot make a cgroup");
	verdict_cgroup = e.in.cgroup;
	verdict_match = -1;
	containers_process(e.c, &e.in);
	/* Nobody is told before the programs are there. */
	CHECK_INT(verdict_match, -1);
	check_verdicts(&e);
	early_end(&e);
}

/* More processes than are kept, all of them in use: the place of the one that is looked up stays. */
static void test_places_are_bounded(void)
{
	struct containers_config config = { .addresses = nowhere };
	struct containers *c = NULL;
	const struct container *ret;
	struct cgroup_fs fs;
	struct process p = { .start = 1, .pidns = 1, .mntns = 1 };

	cgroup_open(&fs);
	p.cgroup = cgroup_id(&fs, "/");
	cgroup_close(&fs);
	if (!p.cgroup)
		CHECK_SKIP("no cgroup v2");
	CHECK(containers_new(&c, &config) == 0);
	for (unsigned round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 16383; i++) {
			p.tgid = 5000000 + i;
			containers_process(c, &p);
		}
	}
	p.tgid++;
	containers_find(c, &p, &ret);
	containers_free(c);
}

/* A process that has ended before anybody looks is in its parent's container, where version 1 hierarchies decide. */
static void test_short_lived_child(void)
{
	struct containers_config config = { .addresses = nowhere };
	struct process parent = { .start = 1, .tgid = (uint32_t)getpid(), .pidns = 1, .mntns = 1 };
	struct process child = parent;
	char dir[] = "/sys/fs/cgroup/unified/docker-" ID_C ".scope", procs[200];
	struct containers *c = NULL;
	const struct container *ret = NULL;
	enum container_answer answer;
	FILE *f;

	if (mkdir(dir, 0755) < 0)
		snprintf(dir, sizeof(dir), "/sys/fs/cgroup/docker-" ID_C ".scope");
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		CHECK_SKIP("cannot make a cgroup");
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", dir);
	f = fopen(procs, "w");
	CHECK(f && fprintf(f, "%u", parent.tgid) > 0 && fclose(f) == 0);
	child.tgid = 5000000;
	child.parent_tgid = parent.tgid;
	child.parent_start = parent.start;
	containers_new(&c, &config);
	containers_process(c, &parent);
	answer = containers_find(c, &child, &ret);
	CHECK_INT(answer, CONTAINER_FOUND);
	CHECK(str_eq(ret->desc.name, str_of("cccccccccccc")));
	containers_free(c);
	snprintf(strrchr(procs, '/') - strlen("docker-" ID_C ".scope"), 20, "cgroup.procs");
	f = fopen(procs, "w");
	CHECK(f && fprintf(f, "%u", parent.tgid) > 0 && fclose(f) == 0);
	rmdir(dir);
}

static void two_containers(struct fake *f, int fd, const char *path)
{
	(void)f;
	if (strncmp(path, "/events", 7) == 0) {
		fake_http_stream(fd);
		fake_hold(fd);
	} else if (strcmp(path, "/containers/json") == 0) {
		fake_http_answer(fd, 200,
				 "[{\"Id\":\"" ID_A "\",\"Names\":[\"/web\"],\"Image\":\"i\",\"Labels\":{}},"
				 "{\"Id\":\"" ID_B "\",\"Names\":[\"/db\"],\"Image\":\"i\",\"Labels\":{}}]");
	} else {
		fake_http_answer(fd, 404, "");
	}
}

static bool is_said(const char *text)
{
	static char all[1 << 16];
	FILE *f = fopen(messages, "r");
	const size_t n = f ? fread(all, 1, sizeof(all) - 1, f) : 0;

	if (f)
		fclose(f);
	all[n] = '\0';
	return strstr(all, text);
}

/* Until it is said, for some seconds at most. */
static bool says(struct containers *c, const char *text)
{
	const uint64_t end = clock_ns(CLOCK_MONOTONIC) + 5000000000u;

	while (!is_said(text)) {
		if (clock_ns(CLOCK_MONOTONIC) >= end)
			return false;
		poll(&(struct pollfd){ .fd = containers_fd(c), .events = POLLIN }, 1, 10);
		containers_step(c);
	}
	return true;
}

/* A daemon that is not there yet is another matter than a name that it does not know. */
static void test_no_match(void)
{
	struct fake f = { .serve = fake_serve_http, .http = two_containers };
	const char *names[] = { "wbe", NULL };
	const char *addresses[RUNTIMES] = { [RUNTIME_PODMAN] = "", [RUNTIME_CONTAINERD] = "", [RUNTIME_CRI] = "" };
	struct containers_config config = { .addresses = addresses, .query.names = names, .verdict = on_verdict };
	char down[256], up[256];
	struct containers *c = NULL;

	socket_path(&f, "typo");
	addresses[RUNTIME_DOCKER] = f.path;
	snprintf(down, sizeof(down), "no container runtime answers; docker at '%s': No such file", f.path);
	snprintf(up, sizeof(up), "waiting for one to start; docker at '%s' answers: 2 containers\n", f.path);
	CHECK_INT(containers_new(&c, &config), 0);
	CHECK(says(c, down));
	CHECK(!is_said("did you mean"));
	fake_start(&f);
	CHECK(says(c, up));
	CHECK(is_said("--container-name 'wbe': did you mean 'web'?"));
	containers_free(c);
	fake_stop(&f);
}

/* One of two that are asked for is there. */
static void test_one_does_not_match(void)
{
	struct fake f = { .serve = fake_serve_http, .http = two_containers };
	const char *names[] = { "web", "dbb", NULL };
	const char *addresses[RUNTIMES] = { [RUNTIME_PODMAN] = "", [RUNTIME_CONTAINERD] = "", [RUNTIME_CRI] = "" };
	struct containers_config config = { .addresses = addresses, .query.names = names, .verdict = on_verdict };
	struct containers *c = NULL;
	char text[256];

	socket_path(&f, "one");
	fake_start(&f);
	addresses[RUNTIME_DOCKER] = f.path;
	CHECK_INT(containers_new(&c, &config), 0);
	CHECK(says(c, "--container-name 'dbb': did you mean 'db'?"));
	snprintf(text, sizeof(text), "docker at '%s' answers: 2", f.path);
	CHECK(!is_said(text));
	containers_free(c);
	fake_stop(&f);
}

static void no_news(void *arg, const struct netns_news *news)
{
	(void)arg;
	(void)news;
}

/* Likewise of --netns, where it is a name among paths. */
static void test_one_of_netns_is_missing(void)
{
	struct fake f = { .serve = fake_serve_http, .http = two_containers };
	const char *names[] = { "web", "dbb", NULL }, *pods[] = { "db", NULL };
	const char *addresses[RUNTIMES] = { [RUNTIME_PODMAN] = "", [RUNTIME_CONTAINERD] = "", [RUNTIME_CRI] = "" };
	struct containers_config config = {
		.addresses = addresses,
		.netns = { .containers = names, .pods = pods, .tell = no_news, .waits = true },
	};
	struct containers *c = NULL;
	char text[256];

	socket_path(&f, "netns");
	fake_start(&f);
	addresses[RUNTIME_DOCKER] = f.path;
	snprintf(text, sizeof(text),
		 "--netns 'container:dbb', 'pod:db': no such container or pod yet: waiting for one to start; "
		 "docker at '%s' answers: 2 containers\n",
		 f.path);
	CHECK_INT(containers_new(&c, &config), 0);
	containers_processes_end(c);
	CHECK(says(c, text));
	CHECK(is_said("--netns 'container:dbb': did you mean 'container:db'?"));
	CHECK(is_said("--netns 'pod:db': did you mean 'container:db'?"));
	containers_free(c);
	fake_stop(&f);
}

/* By somebody who may not open the socket. */
static void test_denied(void)
{
	const char *addresses[RUNTIMES] = { [RUNTIME_PODMAN] = "", [RUNTIME_CONTAINERD] = "" };
	struct containers_config config = { .addresses = addresses };
	struct fake f = { .serve = fake_serve_http, .http = two_containers };
	struct containers *c = NULL;
	char text[512];
	pid_t pid;

	if (geteuid() != 0)
		CHECK_SKIP("needs root");
	socket_path(&f, "denied");
	fake_start(&f);
	CHECK(chmod(directory, 0711) == 0 && chmod(f.path, 0600) == 0);
	addresses[RUNTIME_DOCKER] = addresses[RUNTIME_CRI] = f.path;
	pid = fork();
	if (pid == 0) {
		if (setresuid(65534, 65534, 65534) || containers_new(&c, &config))
			_exit(1);
		containers_step(c);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	snprintf(text, sizeof(text), "docker at '%s', cri at '%s' may not be opened, its containers go without names",
		 f.path, f.path);
	CHECK(is_said(text));
	fake_stop(&f);
}

static void test_messages_cannot_be_forged(void)
{
	check_messages(1, NULL);
}

int main(void)
{
	if (rig_begin())
		return 2;
	RUN(test_find_by_cgroup);
	RUN(test_id_until_the_name);
	RUN(test_verdicts_at_the_start);
	RUN(test_places_are_bounded);
	RUN(test_short_lived_child);
	RUN(test_no_match);
	RUN(test_one_does_not_match);
	RUN(test_one_of_netns_is_missing);
	RUN(test_denied);
	RUN(test_messages_cannot_be_forged);
	rig_end();
	return check_status();
}
