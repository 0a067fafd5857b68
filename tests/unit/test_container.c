/* SPDX-License-Identifier: BSD-3-Clause */
/* Labels, cgroup paths, and the runtimes against daemons that behave and daemons that do not. */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <sanitizer/common_interface_defs.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "fake_daemon.h"
#include "meta/cgroup.h"
#include "meta/container.h"
#include "meta/container_store.h"
#include "meta/label.h"
#include "meta/process.h"
#include "meta/runtime/http.h"
#include "meta/runtime/loop.h"
#include "meta/runtime/pool.h"
#include "meta/runtime/runtime.h"
#include "meta/runtime/user_socket.h"
#include "rt.pb-c.h"
#include "util/clock.h"
#include "util/log.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

#define ID_D "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

static char directory[] = "/tmp/test_container.XXXXXX";

/* --- labels --- */

static void test_labels_are_sorted_json(void)
{
	struct label l[] = { { "b", "2" }, { "a", "1" }, { "a.b", "\"q\"\n\x1b[2J\x7f\\" } };
	char *json = label_json(l, 3);

	CHECK_STR(json, "{\"a\":\"1\",\"a.b\":\"\\\"q\\\"\\n\\u001b[2J\\u007f\\\\\",\"b\":\"2\"}");
	free(json);
	json = label_json(NULL, 0);
	CHECK_STR(json, "{}");
	free(json);
}

static void test_labels_are_valid_utf8(void)
{
	struct label l[] = { { "k", "a\xff\xc3\xa9\xc2\x9b\xed\xa0\x80\xe2\x82" } };
	char *json = label_json(l, 1);

	CHECK_STR(
		json,
		"{\"k\":\"a\xef\xbf\xbd\xc3\xa9\\u009b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}");
	free(json);
}

static void test_labels_are_bounded(void)
{
	char *big = malloc(100001);
	struct label l[40];
	char keys[40][8];
	cJSON *o;
	char *json;

	memset(big, 'x', 100000);
	big[100000] = '\0';
	l[0] = (struct label){ "big", big };
	json = label_json(l, 1);
	CHECK(strlen(json) < LABEL_VALUE_MAX + 32);
	CHECK(strstr(json, "xxx...\"}") != NULL);
	free(json);
	for (int i = 0; i < 40; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%02d", i);
		l[i] = (struct label){ keys[i], big };
	}
	json = label_json(l, 40);
	CHECK(strlen(json) <= LABEL_JSON_MAX);
	o = cJSON_Parse(json);
	CHECK(o != NULL);
	CHECK_STR(cJSON_GetObjectItem(o, "...")->valuestring, "35 more");
	cJSON_Delete(o);
	free(json);
	free(big);
}

/* --- cgroup paths --- */

static void test_cgroup_paths(void)
{
	static const struct {
		const char *path;
		size_t n;
		char first;
	} t[] = {
		{ "/docker/" ID_A, 1, 'a' },
		{ "/system.slice/docker-" ID_A ".scope", 1, 'a' },
		{ "/system.slice/docker-" ID_A ".scope/system.slice/x.service", 1, 'a' },
		{ "/docker/" ID_A "/docker/" ID_B, 2, 'b' },
		{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/cri-containerd-" ID_A
		  ".scope",
		  1, 'a' },
		{ "/kubepods/besteffort/pod7/" ID_B, 1, 'b' },
		{ "/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID_A, 1, 'a' },
		{ "/kubepods.slice/x.slice/crio-" ID_A ".scope/container", 1, 'a' },
		{ "/kubepods.slice/x.slice/crio-conmon-" ID_A ".scope", 0, 0 },
		{ "/machine.slice/libpod-" ID_C ".scope", 1, 'c' },
		{ "/machine.slice/libpod-conmon-" ID_C ".scope", 0, 0 },
		{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID_C ".scope/container", 1, 'c' },
		{ "/default/" ID_A, 1, 'a' },
		{ "/../../docker/" ID_A, 1, 'a' },
		{ "/", 0, 0 },
		{ "", 0, 0 },
		{ "/user.slice/user-0.slice/session-1.scope", 0, 0 },
		{ "/docker/" ID_A "0", 0, 0 },
		{ "/docker/AAAA", 0, 0 },
		{ "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
		  "kubelet-kubepods-burstable-podx.slice/cri-containerd-" ID_A ".scope",
		  1, 'a' },
		{ "/kubelet/kubepods/burstable/podx/" ID_A, 1, 'a' },
		{ "/docker/" ID_A "/kubelet/kubepods/besteffort/pod1/" ID_B, 2, 'b' },
		{ "/machine.slice/libpod-" ID_A ".scope/libpod-payload-" ID_B, 2, 'b' },
		{ "/libpod_parent/libpod-" ID_C, 1, 'c' },
		{ "/libpod_parent/conmon", 0, 0 },
		{ "/kubepods/podx/crio-" ID_A, 1, 'a' },
		{ "/kubepods/podx/crio-conmon-" ID_A, 0, 0 },
		{ "/system.slice/crio-conmon-" ID_A ".scope/x", 0, 0 },
	};
	struct cgroup_name names[CGROUP_NAMES_MAX];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		size_t n = cgroup_containers(t[i].path, names);

		if (n != t[i].n || (n && (names[0].id[0] != t[i].first || names[0].id_len != 64)))
			CHECK_FAIL("%s: %zu names", t[i].path, n);
	}
	CHECK_INT(cgroup_namespaced("/tns/plain", names), 1);
	CHECK(names[0].ns_len == 3 && memcmp(names[0].ns, "tns", 3) == 0);
	CHECK(names[0].id_len == 5 && memcmp(names[0].id, "plain", 5) == 0);
	CHECK_INT(cgroup_namespaced("/system.slice/cron.service", names), 0);
	CHECK_INT(cgroup_namespaced("/a/b/c/d/e/f/g/h/i/j/k/l", names), CGROUP_NAMES_MAX);
}

/* --- runtimes --- */

struct rig {
	struct loop loop;
	struct http *http;
	struct pool pool;
	struct container_store *store;
	struct runtime *r;
};

static void no_hook(void *arg, struct container_entry *e)
{
	(void)arg;
	(void)e;
}

static void no_forget(void *arg, const struct container_entry *e)
{
	(void)arg;
	(void)e;
}

static void rig_open(struct rig *rig, const struct runtime_ops *ops, const char *path)
{
	loop_open(&rig->loop);
	rig->pool = (struct pool){ .max = 64 << 20 };
	http_new(&rig->http, &rig->loop, &rig->pool, user_socket_owner(path) != 0);
	container_store_new(&rig->store, &(struct container_store_hooks){ no_hook, no_forget, NULL });
	rig->r = runtime_new(ops, path, false);
	rig->r->loop = &rig->loop;
	rig->r->http = rig->http;
	rig->r->pool = &rig->pool;
	rig->r->store = rig->store;
}

static void rig_step(struct rig *rig, int timeout)
{
	struct pollfd p = { .fd = rig->loop.epoll_fd, .events = POLLIN };

	poll(&p, 1, timeout);
	loop_run(&rig->loop);
	http_tick(rig->http, clock_ns(CLOCK_MONOTONIC));
	runtime_tick(rig->r, clock_ns(CLOCK_MONOTONIC));
}

static void rig_close(struct rig *rig)
{
	runtime_free(rig->r);
	http_free(rig->http);
	container_store_free(rig->store);
	loop_close(&rig->loop);
}

/* Runs until the runtime is in that state, for some seconds at most. */
static bool rig_until(struct rig *rig, enum runtime_state state, int ms)
{
	const uint64_t end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)ms * 1000000u;

	do {
		rig_step(rig, 10);
		if (rig->r->state == state)
			return true;
	} while (clock_ns(CLOCK_MONOTONIC) < end);
	return false;
}

/* NULL: not there. */
static const struct container *find(struct rig *rig, const char *ns, const char *id)
{
	struct container_entry *e = container_store_get(rig->store, ns, ns ? strlen(ns) : 0, id, strlen(id), false);

	return e ? e->published : NULL;
}

static bool named(struct rig *rig, const char *id, const char *name, int ms)
{
	const uint64_t end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)ms * 1000000u;

	do {
		const struct container *c = find(rig, NULL, id);

		if (c && str_eq(c->desc.name, str_of(name)))
			return true;
		rig_step(rig, 10);
	} while (clock_ns(CLOCK_MONOTONIC) < end);
	return false;
}

static void socket_path(struct fake *f, const char *name)
{
	snprintf(f->path, sizeof(f->path), "%s/%s", directory, name);
}

static const char inspect_b[] = "{\"Id\":\"" ID_B "\",\"Name\":\"/late\",\"State\":{\"Pid\":0},"
				"\"Config\":{\"Image\":\"img:2\",\"Labels\":{\"z\":\"1\",\"y\":\"2\"}}}";

static void docker_answers(struct fake *f, int fd, const char *path)
{
	if (strncmp(path, "/events", 7) == 0) {
		fake_http_stream(fd);
		fake_puts(fd, "not json\n{\"Action\":\"create\",\"Actor\":{\"ID\":\"../../etc\"}}\n");
		fake_puts(fd, "{\"Action\":\"create\",\"Actor\":{\"ID\":\"" ID_C "\",\"Attributes\":{"
			      "\"name\":\"new\",\"image\":\"i\",\"k\":\"v\"}}}\n"
			      "{\"Action\":\"start\",\"Actor\":{\"ID\":\"" ID_B "\"}}\n{\"half\":");
		fake_hold(fd);
	} else if (strcmp(path, "/containers/json") == 0) {
		fake_http_answer(fd, 200,
				 "[{\"Id\":\"" ID_A
				 "\",\"Names\":[\"/we\\\"b\\n\\u001b[2Jforged\"],\"Image\":\"img:1\",\"Labels\":{"
				 "\"io.kubernetes.pod.name\":\"p\",\"io.kubernetes.pod.namespace\":\"n\"}},"
				 "{\"Id\":7},{\"Id\":\"/../x\"},null,[]]");
	} else if (strstr(path, ID_B)) {
		fake_http_answer(fd, 200, inspect_b);
	} else {
		fake_http_answer(fd, 404, "{\"message\":\"no such container\"}");
	}
	(void)f;
}

static void test_docker(void)
{
	struct fake f = { .serve = fake_serve_http, .http = docker_answers };
	struct rig rig;
	const struct container *c;
	bool ready, late;

	socket_path(&f, "docker");
	fake_start(&f);
	rig_open(&rig, &docker_ops, f.path);
	ready = rig_until(&rig, RUNTIME_READY, 2000);
	late = named(&rig, ID_B, "late", 2000) && named(&rig, ID_C, "new", 2000) &&
	       str_eq(find(&rig, NULL, ID_C)->desc.labels, str_of("{\"k\":\"v\"}"));
	c = find(&rig, NULL, ID_A);
	if (!ready || !late || !c || !str_eq(c->desc.name, str_of("we\"b\n\x1b[2Jforged")) ||
	    !str_eq(c->pod.name, str_of("p")) || !str_eq(c->pod.namespace, str_of("n")) ||
	    !str_eq(find(&rig, NULL, ID_B)->desc.labels, str_of("{\"y\":\"2\",\"z\":\"1\"}"))) {
		snprintf(check_why, sizeof(check_why), "ready %d, late %d, facts %d", ready, late, c != NULL);
	}
	rig_close(&rig);
	fake_stop(&f);
}

static void test_docker_restarts(void)
{
	struct fake f = { .serve = fake_serve_http, .http = docker_answers };
	struct rig rig;
	uint64_t down;
	bool ok;

	socket_path(&f, "docker");
	fake_start(&f);
	rig_open(&rig, &docker_ops, f.path);
	ok = rig_until(&rig, RUNTIME_READY, 2000);
	fake_stop(&f);
	ok = ok && rig_until(&rig, RUNTIME_DOWN, 2000);
	/* Long enough for the pauses between tries to grow. */
	for (down = clock_ns(CLOCK_MONOTONIC); clock_ns(CLOCK_MONOTONIC) < down + 2500000000u;)
		rig_step(&rig, 10);
	fake_start(&f);
	down = clock_ns(CLOCK_MONOTONIC);
	ok = ok && rig_until(&rig, RUNTIME_READY, 5000);
	if (!ok || clock_ns(CLOCK_MONOTONIC) - down > 2000000000u)
		snprintf(check_why, sizeof(check_why), "ready %d after %u ms", ok,
			 (unsigned)((clock_ns(CLOCK_MONOTONIC) - down) / 1000000));
	rig_close(&rig);
	fake_stop(&f);
}

/* Sends f->text, then waits. */
static void serve_text(struct fake *f, int fd)
{
	fake_puts(fd, f->text);
	fake_hold(fd);
}

/* Sends f->text and closes. */
static void serve_text_and_close(struct fake *f, int fd)
{
	fake_puts(fd, f->text);
}

static void serve_random(struct fake *f, int fd)
{
	unsigned char buf[4096];
	unsigned seed = 1;

	(void)f;
	for (int i = 0; i < 256; i++) {
		for (size_t j = 0; j < sizeof(buf); j++)
			buf[j] = (unsigned char)(rand_r(&seed) >> 8);
		fake_write(fd, buf, sizeof(buf));
	}
}

/* Never ends: a body without a length, or one line without an end. */
static void serve_endless(struct fake *f, int fd)
{
	char buf[16384];

	fake_puts(fd, "HTTP/1.1 200 OK\r\n\r\n");
	memset(buf, '[', sizeof(buf));
	for (int i = 0; i < 4096; i++)
		fake_write(fd, buf, sizeof(buf));
	(void)f;
}

static void hostile(const struct runtime_ops *ops, void (*serve)(struct fake *, int), const char *text)
{
	struct fake f = { .serve = serve, .text = text };
	const char *name = text ? text : "random bytes";
	struct rig rig;
	bool lost;

	socket_path(&f, "hostile");
	fake_start(&f);
	rig_open(&rig, ops, f.path);
	lost = rig_until(&rig, RUNTIME_DOWN, 8000) || rig.r->state == RUNTIME_OFF;
	if (!lost || !rig.r->said_down || container_store_each(rig.store, NULL))
		snprintf(check_why, sizeof(check_why), "%s with %.60s: lost %d, said %d", ops->name, name, lost,
			 rig.r->said_down);
	rig_close(&rig);
	fake_stop(&f);
}

#define HTTP_OK "HTTP/1.1 200 OK\r\nContent-Length: "

static void test_docker_garbage(void)
{
	hostile(&docker_ops, serve_text_and_close, "");
	hostile(&docker_ops, serve_text_and_close, "garbage\n\x1b[2J\r\n\r\n");
	hostile(&docker_ops, serve_text_and_close, HTTP_OK "10\r\n\r\n[{\"Id\":\"aa");
	hostile(&docker_ops, serve_text, HTTP_OK "4\r\n\r\n[{}");
	hostile(&docker_ops, serve_text, HTTP_OK "4\r\n\r\nnull");
	hostile(&docker_ops, serve_text, HTTP_OK "2\r\n\r\n{}");
	hostile(&docker_ops, serve_text, "HTTP/1.1 500 Oops\r\nContent-Length: 12\r\n\r\n\x1b[2J\nforged\n");
	hostile(&docker_ops, serve_text,
		"HTTP/1.1 301 Moved\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n");
	hostile(&docker_ops, serve_random, NULL);
	hostile(&docker_ops, serve_endless, "[");
}

static void test_grpc_garbage(void)
{
	static const struct runtime_ops *const ops[] = { &containerd_ops, &cri_ops };

	for (size_t i = 0; i < 2; i++) {
		hostile(ops[i], serve_text_and_close, "");
		hostile(ops[i], serve_text, "HTTP/1.1 400 Bad Request\r\n\r\n");
		hostile(ops[i], serve_text_and_close, "garbage\n\x1b[2J\r\n\r\n");
		hostile(ops[i], serve_random, NULL);
		hostile(ops[i], serve_endless, "[");
	}
}

static void test_silent_daemons_cost_nothing(void)
{
	static const struct runtime_ops *const ops[] = { &docker_ops, &containerd_ops, &cri_ops };
	struct fake f = { .listen_fd = -1 }; /* listens, and never accepts */

	socket_path(&f, "silent");
	fake_start(&f);
	for (size_t i = 0; i < 3; i++) {
		const uint64_t start = clock_ns(CLOCK_MONOTONIC);
		struct rig rig;
		uint64_t longest = 0;

		rig_open(&rig, ops[i], f.path);
		while (clock_ns(CLOCK_MONOTONIC) < start + 300000000u) {
			uint64_t before;

			poll(&(struct pollfd){ .fd = rig.loop.epoll_fd, .events = POLLIN }, 1, 10);
			before = clock_ns(CLOCK_MONOTONIC);
			rig_step(&rig, 0);
			if (clock_ns(CLOCK_MONOTONIC) - before > longest)
				longest = clock_ns(CLOCK_MONOTONIC) - before;
		}
		if (!runtime_answered(rig.r, clock_ns(CLOCK_MONOTONIC)) || !rig.r->said_slow || longest > 50000000u)
			snprintf(check_why, sizeof(check_why), "%s: settled %d, said %d, longest step %u us",
				 ops[i]->name, runtime_answered(rig.r, clock_ns(CLOCK_MONOTONIC)), rig.r->said_slow,
				 (unsigned)(longest / 1000));
		rig_close(&rig);
	}
	fake_stop(&f);
}

/* Eight daemons that take requests and never answer, and one that does. */
static void test_silent_daemons_keep_nobody_waiting(void)
{
	struct fake silent = { .listen_fd = -1 }, f = { .serve = fake_serve_http, .http = docker_answers };
	struct runtime *others[8];
	struct rig rig;
	uint64_t start;
	bool ready;

	socket_path(&silent, "silent");
	socket_path(&f, "docker");
	fake_start(&silent);
	fake_start(&f);
	rig_open(&rig, &docker_ops, f.path);
	for (int i = 0; i < 8; i++) {
		others[i] = runtime_new(&docker_ops, silent.path, true);
		others[i]->loop = &rig.loop;
		others[i]->http = rig.http;
		others[i]->pool = &rig.pool;
		others[i]->store = rig.store;
		runtime_tick(others[i], clock_ns(CLOCK_MONOTONIC));
	}
	start = clock_ns(CLOCK_MONOTONIC);
	ready = rig_until(&rig, RUNTIME_READY, 3000);
	if (!ready || clock_ns(CLOCK_MONOTONIC) - start > 500000000u)
		snprintf(check_why, sizeof(check_why), "ready %d after %u ms", ready,
			 (unsigned)((clock_ns(CLOCK_MONOTONIC) - start) / 1000000));
	for (int i = 0; i < 8; i++)
		runtime_free(others[i]);
	rig_close(&rig);
	fake_stop(&f);
	fake_stop(&silent);
}

/* What daemons are sending is bounded together, and so is what it becomes when it is parsed. */
static void test_memory_is_bounded(void)
{
	struct pool p = { .max = 10000 };
	void *a = NULL, *b = NULL;
	size_t an = 0, bn = 0, n = 3 * 4000000;
	char *text = malloc(n + 3);
	cJSON *o;

	CHECK(pool_grow(&p, &a, &an, 4000));
	CHECK(pool_grow(&p, &b, &bn, 5000));
	CHECK(!pool_grow(&p, &a, &an, 6000));
	CHECK(pool_grow(&p, &a, &an, 4100) || an == 4096);
	CHECK_INT(p.held, an + bn);
	pool_give(&p, b, bn);
	CHECK(pool_grow(&p, &a, &an, 10000));
	pool_give(&p, a, an);
	CHECK_INT(p.held, 0);
	text[0] = '[';
	for (size_t i = 0; i < n; i += 3)
		memcpy(text + 1 + i, "{},", 3);
	strcpy(text + n, "]");
	CHECK(!pool_parse_json(text, n + 1));
	o = pool_parse_json("[{}]", 4);
	CHECK(o != NULL);
	cJSON_Delete(o);
	free(text);
}

static void test_absent_daemons(void)
{
	static const struct runtime_ops *const ops[] = { &docker_ops, &containerd_ops, &cri_ops };
	char path[200], file[64];

	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	snprintf(file, sizeof(file), "%s/file", directory);
	close(open(file, O_CREAT | O_WRONLY, 0600));
	for (size_t i = 0; i < 3; i++) {
		const char *paths[] = { "unix:///nonexistent/x.sock", path, file };

		for (size_t j = 0; j < 3; j++) {
			struct rig rig;

			rig_open(&rig, ops[i], paths[j]);
			rig_step(&rig, 0);
			if (rig.r->state != RUNTIME_DOWN || !rig.r->said_down)
				snprintf(check_why, sizeof(check_why), "%s at %s", ops[i]->name, paths[j]);
			rig_close(&rig);
		}
	}
	unlink(file);
}

static int pack(uint8_t *out, const ProtobufCMessage *m)
{
	return (int)protobuf_c_message_pack(m, out);
}

/* A CRI-O of old: v1alpha2 only, one pod with one container. */
static int cri_answers(struct fake *f, const char *method, const char *ns, const uint8_t *body, size_t len,
		       uint8_t *out, bool *stream)
{
	Rt__Pair label = RT__PAIR__INIT, note = RT__PAIR__INIT, info = RT__PAIR__INIT;
	Rt__Pair *labels[] = { &label }, *notes[] = { &note }, *infos[] = { &info };
	Rt__PodMetadata pm = RT__POD_METADATA__INIT;
	Rt__Pod pod = RT__POD__INIT;
	Rt__Pod *pods[] = { &pod };
	Rt__Pods pod_list = RT__PODS__INIT;
	Rt__Metadata cm = RT__METADATA__INIT;
	Rt__CriContainer c = RT__CRI_CONTAINER__INIT;
	Rt__CriContainer *cs[] = { &c };
	Rt__CriContainers list = RT__CRI_CONTAINERS__INIT;
	Rt__Status status = RT__STATUS__INIT;
	Rt__Image image = RT__IMAGE__INIT;
	Rt__StatusAnswer answer = RT__STATUS_ANSWER__INIT;

	(void)f;
	(void)ns;
	(void)body;
	(void)len;
	(void)stream;
	if (strncmp(method, "/runtime.v1alpha2.", 18) != 0)
		return -12;
	label.key = (char *)"app";
	label.value = (char *)"web";
	note.key = (char *)"note";
	note.value = (char *)"multi\nline";
	pm.name = (char *)"web-0";
	pm.namespace_ = (char *)"prod";
	pm.uid = (char *)"u-1";
	pod.id = (char *)ID_B;
	pod.metadata = &pm;
	pod.labels = labels;
	pod.annotations = notes;
	pod.n_labels = pod.n_annotations = 1;
	pod_list.items = pods;
	pod_list.n_items = 1;
	cm.name = (char *)"app";
	c.id = (char *)ID_A;
	c.pod = (char *)ID_B;
	c.metadata = &cm;
	c.state = 1;
	list.items = cs;
	list.n_items = 1;
	image.image = (char *)"docker.io/library/web:1";
	info.key = (char *)"info";
	info.value = (char *)"{\"pid\": 1}";
	status.id = (char *)ID_A;
	status.image = &image;
	answer.status = &status;
	answer.info = infos;
	answer.n_info = 1;
	if (strstr(method, "ListPodSandbox"))
		return pack(out, &pod_list.base);
	if (strstr(method, "ListContainers"))
		return pack(out, &list.base);
	if (strstr(method, "ContainerStatus"))
		return pack(out, &answer.base);
	return -12;
}

static void test_cri_v1alpha2(void)
{
	struct fake f = { .serve = fake_serve_grpc, .grpc = cri_answers };
	const struct container *c;
	struct rig rig;
	bool ready;

	socket_path(&f, "crio");
	fake_start(&f);
	rig_open(&rig, &cri_ops, f.path);
	ready = rig_until(&rig, RUNTIME_READY, 3000);
	for (int i = 0; i < 30; i++)
		rig_step(&rig, 10);
	c = find(&rig, NULL, ID_A);
	if (!ready || !c || !str_eq(c->desc.name, str_of("app")) || !str_eq(c->pod.name, str_of("web-0")) ||
	    !str_eq(c->pod.namespace, str_of("prod")) || !str_eq(c->pod.labels, str_of("{\"app\":\"web\"}")) ||
	    !str_eq(c->pod.annotations, str_of("{\"note\":\"multi\\nline\"}")) ||
	    !str_eq(c->desc.image, str_of("docker.io/library/web:1")))
		snprintf(check_why, sizeof(check_why), "ready %d, container %.*s of %.*s", ready,
			 c ? (int)c->desc.name.n : 0, c ? c->desc.name.p : "", c ? (int)c->pod.name.n : 0,
			 c ? c->pod.name.p : "");
	rig_close(&rig);
	fake_stop(&f);
}

/* While the capture attaches nobody listens: a daemon that answered meanwhile has not been silent. */
static void test_late_look(void)
{
	struct fake f = { .serve = fake_serve_grpc, .grpc = cri_answers };
	struct rig rig;
	bool settled, said, ready;

	socket_path(&f, "late");
	fake_start(&f);
	rig_open(&rig, &cri_ops, f.path);
	runtime_tick(rig.r, clock_ns(CLOCK_MONOTONIC));
	usleep(300000);
	settled = runtime_answered(rig.r, clock_ns(CLOCK_MONOTONIC));
	rig_step(&rig, 0);
	said = rig.r->said_slow;
	ready = rig_until(&rig, RUNTIME_READY, 1000);
	if (settled || said || rig.r->said_slow || !ready)
		snprintf(check_why, sizeof(check_why), "settled %d, said slow %d, ready %d", settled, said, ready);
	rig_close(&rig);
	fake_stop(&f);
}

/* Messages that are not protobuf, or too long ones. */
static int bad_answers(struct fake *f, const char *method, const char *ns, const uint8_t *body, size_t len,
		       uint8_t *out, bool *stream)
{
	(void)method;
	(void)ns;
	(void)body;
	(void)len;
	*stream = strstr(method, "Subscribe") != NULL;
	memset(out, f->text[0], 1000);
	return 1000;
}

static void test_grpc_bad_messages(void)
{
	static const struct runtime_ops *const ops[] = { &containerd_ops, &cri_ops };

	for (size_t i = 0; i < 2; i++) {
		for (const char *t = "\xff\x0a\x08\x12\x7f"; *t; t++) {
			struct fake f = { .serve = fake_serve_grpc, .grpc = bad_answers, .text = t };
			struct rig rig;

			socket_path(&f, "bad");
			fake_start(&f);
			rig_open(&rig, ops[i], f.path);
			for (int j = 0; j < 20; j++)
				rig_step(&rig, 10);
			for (struct container_entry *e = container_store_each(rig.store, NULL); e;
			     e = container_store_each(rig.store, e)) {
				if (e->published)
					snprintf(check_why, sizeof(check_why), "%s believed %02x", ops[i]->name,
						 (unsigned char)*t);
			}
			rig_close(&rig);
			fake_stop(&f);
		}
	}
}

static void test_store_is_bounded(void)
{
	struct rig rig;
	char id[65];
	size_t n = 0;

	rig_open(&rig, &docker_ops, "/nonexistent");
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(id, sizeof(id), "%064x", i);
		container_store_put(rig.store, &(struct container_facts){ .rank = RANK_DOCKER, .id = id, .name = "x" });
		if (i % 2)
			container_store_gone(rig.store, NULL, id);
	}
	for (struct container_entry *e = container_store_each(rig.store, NULL); e;
	     e = container_store_each(rig.store, e))
		n++;
	CHECK(n <= 8192);
	/* The containers that have gone went first. */
	snprintf(id, sizeof(id), "%064x", 19998u);
	CHECK(container_store_get(rig.store, NULL, 0, id, 64, false) != NULL);
	rig_close(&rig);
}

/* Pods go with their sandboxes, and many cost no more than few. */
static void test_pods_come_and_go(void)
{
	struct rig rig;
	char id[65];

	rig_open(&rig, &docker_ops, "/nonexistent");
	for (unsigned i = 0; i < 8300; i++) {
		snprintf(id, sizeof(id), "%064x", i);
		container_store_put_pod(rig.store, &(struct pod_facts){ id, "p", "n", "u", NULL, NULL, 0, 0 });
		container_store_put(rig.store, &(struct container_facts){ .rank = RANK_CRI, .id = id, .sandbox = id });
		if (i >= 8)
			continue;
		CHECK(container_store_has_pod(rig.store, id));
		container_store_gone(rig.store, NULL, id);
	}
	CHECK(container_store_has_pod(rig.store, id));
	CHECK(str_eq(find(&rig, NULL, id)->pod.name, str_of("p")));
	snprintf(id, sizeof(id), "%064x", 7u);
	CHECK(!container_store_has_pod(rig.store, id));
	rig_close(&rig);
}

/* A pid is used again: whoever is in other namespaces is not the container's first process. */
static void test_first_process(void)
{
	struct container_entry *e;
	struct rig rig;

	rig_open(&rig, &docker_ops, "/nonexistent");
	container_store_put_init(rig.store, NULL, ID_A, 100);
	e = container_store_get(rig.store, NULL, 0, ID_A, 64, false);
	CHECK(container_store_by_init(rig.store, 100, 0, 0) == e);
	e->pidns = 7;
	e->mntns = 8;
	CHECK(container_store_by_init(rig.store, 100, 7, 8) == e);
	CHECK(!container_store_by_init(rig.store, 100, 0, 9));
	CHECK(!container_store_by_init(rig.store, 100, 0, 0));
	CHECK(container_store_by_init(rig.store, 101, 7, 8) == e);
	container_store_stopped(rig.store, NULL, ID_A);
	CHECK(!container_store_by_init(rig.store, 101, 7, 8));
	rig_close(&rig);
}

static void test_merge(void)
{
	struct label l[] = { { "io.kubernetes.pod.uid", "u" },
			     { "io.kubernetes.pod.name", "p" },
			     { "io.kubernetes.pod.namespace", "n" } };
	const struct container_facts shadow = { .rank = RANK_SHADOW, .ns = "moby", .id = ID_A };
	const struct container_facts docker = { .rank = RANK_DOCKER, .id = ID_A, .name = "/web", .image = "i" };
	struct container_facts k8s = {
		.rank = RANK_CONTAINERD, .ns = "k8s.io", .id = ID_B, .image = "i", .labels = l, .nlabels = 3
	};
	struct label pod_label = { "app", "x" };
	const struct pod_facts pod = {
		.sandbox = ID_C, .name = "p", .namespace = "n", .uid = "u", .labels = &pod_label, .nlabels = 1
	};
	struct container_entry *e;
	uint64_t serial;
	struct rig rig;

	rig_open(&rig, &docker_ops, "/nonexistent");
	container_store_put(rig.store, &docker);
	serial = find(&rig, NULL, ID_A)->serial;
	container_store_put(rig.store, &shadow);
	CHECK(find(&rig, "moby", ID_A) == find(&rig, NULL, ID_A));
	CHECK_INT(find(&rig, NULL, ID_A)->serial, serial);
	CHECK(str_eq(find(&rig, NULL, ID_A)->desc.name, str_of("web")));
	container_store_put(rig.store, &k8s);
	e = container_store_get(rig.store, NULL, 0, ID_B, 64, false);
	CHECK(!container_entry_complete(e));
	container_store_put_pod(rig.store, &pod);
	CHECK(container_entry_complete(e));
	CHECK(str_eq(e->published->pod.labels, str_of("{\"app\":\"x\"}")));
	/* Another pod of that name in another namespace. */
	container_store_put_pod(rig.store,
				&(struct pod_facts){ .sandbox = ID_D, .name = "p", .namespace = "m", .uid = "u" });
	CHECK(str_eq(e->published->pod.namespace, str_of("n")));
	/* The same short id in two namespaces. */
	container_store_put(rig.store,
			    &(struct container_facts){ .rank = RANK_CONTAINERD, .ns = "a", .id = "web", .image = "1" });
	container_store_put(rig.store,
			    &(struct container_facts){ .rank = RANK_CONTAINERD, .ns = "b", .id = "web", .image = "2" });
	CHECK(find(&rig, "a", "web") != find(&rig, "b", "web"));
	CHECK(str_eq(find(&rig, "b", "web")->desc.image, str_of("2")));
	rig_close(&rig);
}

/* A daemon of some user names that user's containers, not those of others, and puts none into a pod. */
static void test_users_cannot_rename(void)
{
	struct label l[] = { { "io.kubernetes.pod.name", "p" }, { "io.kubernetes.pod.namespace", "n" } };
	const struct container_facts docker = { .rank = RANK_DOCKER, .id = ID_A, .name = "/web" };
	struct container_facts user = { .rank = RANK_USER, .id = ID_A, .name = "forged", .labels = l, .nlabels = 2 };
	struct rig rig;

	rig_open(&rig, &docker_ops, "/nonexistent");
	container_store_put(rig.store, &docker);
	container_store_put(rig.store, &user);
	CHECK(str_eq(find(&rig, NULL, ID_A)->desc.name, str_of("web")));
	user.id = ID_B;
	container_store_put(rig.store, &user);
	CHECK(str_eq(find(&rig, NULL, ID_B)->desc.name, str_of("forged")));
	CHECK(!find(&rig, NULL, ID_B)->pod.name.p);
	CHECK(container_entry_complete(container_store_get(rig.store, NULL, 0, ID_B, 64, false)));
	container_store_put(rig.store, &(struct container_facts){ .rank = RANK_DOCKER, .id = ID_B, .name = "/db" });
	CHECK(str_eq(find(&rig, NULL, ID_B)->desc.name, str_of("db")));
	rig_close(&rig);
}

/* Nor those of another user; and however many containers they claim, those of others stay. */
static void test_users_have_a_share(void)
{
	struct container_facts user = { .rank = RANK_USER, .user = 1000, .id = ID_A, .name = "first" };
	char id[65];
	struct rig rig;

	rig_open(&rig, &docker_ops, "/nonexistent");
	container_store_put(rig.store, &user);
	user.user = 1001;
	user.name = "second";
	container_store_put(rig.store, &user);
	CHECK(str_eq(find(&rig, NULL, ID_A)->desc.name, str_of("first")));
	container_store_put(rig.store, &(struct container_facts){ .rank = RANK_DOCKER, .id = ID_B, .name = "web" });
	user.id = id;
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(id, sizeof(id), "%064x", i);
		container_store_put(rig.store, &user);
	}
	CHECK(find(&rig, NULL, ID_B));
	CHECK(!find(&rig, NULL, id));
	/* A container that runs can be named still. */
	container_store_get(rig.store, NULL, 0, id, 64, true);
	container_store_put(rig.store, &user);
	CHECK(find(&rig, NULL, id));
	rig_close(&rig);
}

/* A short id that is used again is not the container that had it. */
static void test_short_ids_come_again(void)
{
	struct container_facts shop = {
		.rank = RANK_CONTAINERD, .ns = "tns", .id = "web", .name = "shop", .image = "1"
	};
	struct rig rig;

	rig_open(&rig, &docker_ops, "/nonexistent");
	container_store_put(rig.store, &shop);
	container_store_gone(rig.store, "tns", "web");
	CHECK(str_eq(find(&rig, "tns", "web")->desc.name, str_of("shop")));
	shop.name = NULL;
	shop.image = "2";
	container_store_put(rig.store, &shop);
	CHECK(str_eq(find(&rig, "tns", "web")->desc.name, str_of("web")));
	CHECK(str_eq(find(&rig, "tns", "web")->desc.image, str_of("2")));
	rig_close(&rig);
}

static char user_dir[64];

static void user_begin(struct fake *f, const char *name)
{
	char path[80];

	snprintf(user_dir, sizeof(user_dir), "/run/user/%u", 200000u + (unsigned)getpid());
	snprintf(path, sizeof(path), "%s/podman", user_dir);
	if (geteuid() != 0 || (mkdir("/run/user", 0755) < 0 && errno != EEXIST) || mkdir(user_dir, 0700) < 0)
		return;
	mkdir(path, 0700);
	CHECK(chown(user_dir, user_socket_owner(path), 0) == 0 && chown(path, user_socket_owner(path), 0) == 0);
	snprintf(f->path, sizeof(f->path), "%s/%s", user_dir, name);
	fake_start(f);
	CHECK(chown(f->path, user_socket_owner(path), 0) == 0);
}

static void user_end(struct fake *f)
{
	char path[80];

	fake_stop(f);
	unlink(f->path);
	snprintf(path, sizeof(path), "%s/docker.sock", user_dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/podman", user_dir);
	unlink(path);
	rmdir(path);
	rmdir(user_dir);
}

static int user_finds(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", user_dir, name);
	fd = user_socket_find(path);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

/* Links and sockets of others in a user's folder lead nowhere. */
static void test_sockets_of_users(void)
{
	struct fake f = { .serve = serve_text, .text = "" };
	char real[80], link[80];

	user_begin(&f, "podman/podman.sock");
	if (!f.path[0])
		CHECK_SKIP("cannot make /run/user/UID");
	snprintf(link, sizeof(link), "%s/docker.sock", user_dir);
	snprintf(real, sizeof(real), "%s/podman", user_dir);
	CHECK_INT(user_finds("podman/podman.sock"), 0);
	CHECK_INT(user_finds("docker.sock"), -ENOENT);
	CHECK_INT(user_finds("podman"), -ENOTSOCK);
	CHECK_INT(user_finds("../../docker.sock"), -EINVAL);
	CHECK(symlink(f.path, link) == 0);
	CHECK_INT(user_finds("docker.sock"), -ENOTSOCK);
	CHECK(chown(f.path, 0, 0) == 0);
	CHECK_INT(user_finds("podman/podman.sock"), -EPERM);
	CHECK(rename(real, link) < 0);
	unlink(link);
	CHECK(rename(real, link) == 0 && symlink(link, real) == 0);
	CHECK_INT(user_finds("podman/podman.sock"), -ENOTDIR);
	CHECK(unlink(real) == 0 && rename(link, real) == 0);
	user_end(&f);
}

/* A stream of events without end, which would keep us from reading packets. */
static void serve_events(struct fake *f, int fd)
{
	static const char events[] = "{\"status\":\"create\",\"id\":\"ab\"}\n";
	char request[4096];
	const ssize_t n = read(fd, request, sizeof(request) - 1);

	(void)f;
	request[n > 0 ? n : 0] = '\0';
	if (strncmp(request, "GET /events", 11) != 0) {
		fake_http_answer(fd, 200, "[]");
		return;
	}
	fake_http_stream(fd);
	while (send(fd, events, sizeof(events) - 1, MSG_NOSIGNAL) > 0)
		continue;
}

static void test_users_cannot_keep_us_busy(void)
{
	struct fake f = { .serve = serve_events };
	struct rig rig;

	user_begin(&f, "docker.sock");
	if (!f.path[0])
		CHECK_SKIP("cannot make /run/user/UID");
	rig_open(&rig, &docker_ops, f.path);
	rig.r->user = user_socket_owner(f.path);
	CHECK(rig_until(&rig, RUNTIME_DOWN, 10000));
	if (strcmp(rig.r->why, "too much comes at once") != 0)
		snprintf(check_why, sizeof(check_why), "%.100s", rig.r->why);
	rig_close(&rig);
	user_end(&f);
}

/* Namespaces come and go: the last ones are known. */
static void test_namespaces_are_bounded(void)
{
	struct rig rig;
	char ns[16];

	rig_open(&rig, &docker_ops, "/nonexistent");
	for (int i = 0; i < 1000; i++) {
		snprintf(ns, sizeof(ns), "ns%d", i);
		container_store_put_namespace(rig.store, ns);
		CHECK(container_store_has_namespace(rig.store, ns, strlen(ns)));
	}
	CHECK(container_store_has_namespace(rig.store, "ns800", 5));
	CHECK(!container_store_has_namespace(rig.store, "ns1", 3));
	rig_close(&rig);
}

/* --- processes --- */

/* No runtime is there. */
static const char *const nowhere[RUNTIMES] = { [RUNTIME_DOCKER] = "", [RUNTIME_CONTAINERD] = "", [RUNTIME_CRI] = "" };

static uint64_t verdict_cgroup;
static int verdict_match = -1;

static void on_verdict(void *arg, uint64_t cgroup, bool match)
{
	(void)arg;
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
static enum container_answer settle(struct containers *c, const struct process *p, const struct container **ret,
				    int *ms)
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
	struct containers_config config = { .addresses = addresses, .names = names, .verdict = on_verdict };
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
	answer = settle(c, &p, &ret, &ms);
	containers_step(c);
	if (!p.cgroup || answer != CONTAINER_FOUND || !str_eq(ret->desc.name, str_of("late")) || ms > 400)
		snprintf(check_why, sizeof(check_why), "cgroup %llu: answer %d after %d ms",
			 (unsigned long long)p.cgroup, answer, ms);
	else if (verdict_match != 1)
		snprintf(check_why, sizeof(check_why), "verdict %d", verdict_match);
	/* Nobody knows this one: its id is what can be told, and its packets do not wait for ever. */
	p.cgroup = verdict_cgroup = cgroup_id(&fs, "/test_container/docker-" ID_C ".scope");
	verdict_match = -1;
	answer = settle(c, &p, &ret, &ms);
	containers_step(c);
	if (!check_why[0] && (answer != CONTAINER_FOUND || !str_eq(ret->desc.name, str_of("cccccccccccc")) ||
			      ms > 700 || verdict_match != 0))
		snprintf(check_why, sizeof(check_why), "unknown: answer %d after %d ms, verdict %d", answer, ms,
			 verdict_match);
	/* A cgroup that has gone keeps its name. */
	rmdir(known);
	p.cgroup = cgroup_id(&fs, "/test_container");
	answer = settle(c, &p, &ret, &ms);
	if (!check_why[0] && (answer != CONTAINER_NONE || ms > 50))
		snprintf(check_why, sizeof(check_why), "no container: answer %d after %d ms", answer, ms);
	containers_free(c);
	cgroup_close(&fs);
	fake_stop(&f);
	rmdir(known);
	rmdir(unknown);
	rmdir(mount);
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

/* As within "ip netns exec", where another /sys covers all of them. In a child, whose mounts are its own. */
static void test_find_without_mount(void)
{
	struct cgroup_fs seen, hidden = { .fd = -1 };
	char path[CGROUP_PATH_MAX] = "";
	uint64_t id;
	int status;
	pid_t pid;

	if (cgroup_open(&seen))
		CHECK_SKIP("no cgroup v2");
	mkdirat(seen.fd, "test_hidden", 0755);
	id = cgroup_id(&seen, "/test_hidden");
	if (!id)
		CHECK_SKIP("cannot make a cgroup");
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
			_exit(77);
		umount2("/sys", MNT_DETACH);
		if (cgroup_open(&hidden))
			_exit(1);
		if (hidden.root_id != seen.root_id || cgroup_id(&hidden, "/test_hidden") != id)
			_exit(2);
		if (cgroup_path(&hidden, id, path, sizeof(path)) || strcmp(path, "/test_hidden") != 0)
			_exit(3);
		_exit(cgroup_path(&hidden, hidden.root_id, path, sizeof(path)) || strcmp(path, "/") != 0 ? 4 : 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	unlinkat(seen.fd, "test_hidden", AT_REMOVEDIR);
	cgroup_close(&seen);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		CHECK_SKIP("cannot have mounts of our own");
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

/* --- messages --- */

static char messages[64];

/* What the daemons provoke is written to a file; what the sanitizers say is not. */
static void messages_catch(void)
{
	snprintf(messages, sizeof(messages), "%s/messages", directory);
	__sanitizer_set_report_fd((void *)(uintptr_t)dup(STDERR_FILENO));
	if (!freopen(messages, "w", stderr))
		exit(2);
}

static void test_messages_cannot_be_forged(void)
{
	char line[4096];
	size_t n = 0;
	bool status_500 = false;
	FILE *f = fopen(messages, "r");

	while (f && fgets(line, sizeof(line), f)) {
		n++;
		if (strncmp(line, "ptcpdump: ", 10) != 0 || strpbrk(line, "\x1b\r\t") ||
		    strncmp(line, "ptcpdump: forged", 16) == 0)
			snprintf(check_why, sizeof(check_why), "%.100s", line);
		status_500 |= strstr(line, "HTTP status 500") != NULL;
	}
	if (f)
		fclose(f);
	CHECK(n > 20);
	CHECK(status_500);
}

int main(void)
{
	if (!mkdtemp(directory))
		return 2;
	messages_catch();
	log_set_level(LOG_DEBUG);
	RUN(test_labels_are_sorted_json);
	RUN(test_labels_are_valid_utf8);
	RUN(test_labels_are_bounded);
	RUN(test_cgroup_paths);
	RUN(test_docker);
	RUN(test_docker_restarts);
	RUN(test_docker_garbage);
	RUN(test_grpc_garbage);
	RUN(test_silent_daemons_cost_nothing);
	RUN(test_silent_daemons_keep_nobody_waiting);
	RUN(test_memory_is_bounded);
	RUN(test_late_look);
	RUN(test_absent_daemons);
	RUN(test_cri_v1alpha2);
	RUN(test_grpc_bad_messages);
	RUN(test_store_is_bounded);
	RUN(test_pods_come_and_go);
	RUN(test_first_process);
	RUN(test_merge);
	RUN(test_users_cannot_rename);
	RUN(test_users_have_a_share);
	RUN(test_short_ids_come_again);
	RUN(test_sockets_of_users);
	RUN(test_users_cannot_keep_us_busy);
	RUN(test_namespaces_are_bounded);
	RUN(test_find_by_cgroup);
	RUN(test_find_without_mount);
	RUN(test_places_are_bounded);
	RUN(test_short_lived_child);
	RUN(test_messages_cannot_be_forged);
	unlink(messages);
	rmdir(directory);
	return check_status();
}
