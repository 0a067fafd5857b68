/* SPDX-License-Identifier: BSD-3-Clause */
/* The Docker Engine, and daemons that answer otherwise. */
#include "check.h"
#include "runtime_rig.h"

#define HTTP_OK "HTTP/1.1 200 OK\r\nContent-Length: "

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
	late = rig_named(&rig, ID_B, "late", 2000) && rig_named(&rig, ID_C, "new", 2000) &&
	       str_eq(rig_find(&rig, NULL, ID_C)->desc.labels, str_of("{\"k\":\"v\"}"));
	c = rig_find(&rig, NULL, ID_A);
	if (!ready || !late || !c || !str_eq(c->desc.name, str_of("we\"b\n\x1b[2Jforged")) ||
	    !str_eq(c->pod.name, str_of("p")) || !str_eq(c->pod.namespace, str_of("n")) ||
	    !str_eq(rig_find(&rig, NULL, ID_B)->desc.labels, str_of("{\"y\":\"2\",\"z\":\"1\"}"))) {
		snprintf(check_why, sizeof(check_why), "ready %d, late %d, facts %d", ready, late, c != NULL);
	}
	rig_close(&rig);
	fake_stop(&f);
}

static void test_docker_tcp(void)
{
	static const char *const schemes[] = { "tcp", "http" };

	for (int i = 0; i < 2; i++) {
		struct fake f = { .serve = fake_serve_http, .http = docker_answers };
		struct rig rig;

		fake_start_tcp(&f, schemes[i]);
		if (i)
			strcat(f.path, "/");
		rig_open(&rig, &docker_ops, f.path);
		CHECK(rig_until(&rig, RUNTIME_READY, 2000));
		CHECK(rig_named(&rig, ID_B, "late", 2000) && rig_named(&rig, ID_C, "new", 2000));
		rig_close(&rig);
		fake_stop(&f);
	}
}

#define EVENT(action, attributes)                                                                                      \
	"{\"Action\":\"" action "\",\"Actor\":{\"ID\":\"" ID_C "\",\"Attributes\":{" attributes "}}}\n"

static bool may_start; /* atomic */

/* The list tells of a container that was created, and of its label "name", which events hide; it starts afterwards. */
static void labels_answers(struct fake *f, int fd, const char *path)
{
	char c;

	(void)f;
	if (strncmp(path, "/events", 7) == 0) {
		fake_http_stream(fd);
		fake_puts(fd, EVENT("create", "\"name\":\"web\",\"image\":\"ubi\",\"k\":\"v\""));
		while (!__atomic_load_n(&may_start, __ATOMIC_ACQUIRE) && recv(fd, &c, 1, MSG_DONTWAIT) != 0)
			usleep(1000);
		fake_puts(fd, EVENT("start", "\"name\":\"later\",\"image\":\"ubi\",\"k\":\"v\""));
		fake_hold(fd);
	} else if (strstr(path, "filters")) {
		fake_http_answer(fd, 200,
				 "[{\"Id\":\"" ID_C "\",\"Names\":[\"/listed\"],\"Image\":\"ubi\","
				 "\"Labels\":{\"k\":\"v\",\"name\":\"ubi8\"}}]");
	} else if (strcmp(path, "/containers/json") == 0) {
		fake_http_answer(fd, 200, "[]");
	} else {
		fake_hold(fd); /* inspection waits for the container to be started */
	}
}

static bool labels_are(struct rig *rig, const char *labels)
{
	const struct container *c = rig_find(rig, NULL, ID_C);

	return c && str_eq(c->desc.labels, str_of(labels));
}

static void test_labels_called_as_attributes(void)
{
	struct fake f = { .serve = fake_serve_http, .http = labels_answers };
	static const char all[] = "{\"k\":\"v\",\"name\":\"ubi8\"}";
	bool created, started;
	struct rig rig;

	socket_path(&f, "docker");
	fake_start(&f);
	rig_open(&rig, &docker_ops, f.path);
	created = rig_named(&rig, ID_C, "listed", 2000) && labels_are(&rig, all);
	__atomic_store_n(&may_start, true, __ATOMIC_RELEASE);
	started = rig_named(&rig, ID_C, "later", 2000) && labels_are(&rig, all);
	rig_close(&rig);
	fake_stop(&f);
	CHECK(created);
	CHECK(started);
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

/* What it dies of being asked; NULL: it lives. */
static const char *fatal;

static void docker_mortal(struct fake *f, int fd, const char *path)
{
	if (!fatal || !strstr(path, fatal)) {
		docker_answers(f, fd, path);
		return;
	}
	fake_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"Id\":\"" ID_B "\",\"Name\":\"/ha");
	shutdown(f->listen_fd, SHUT_RDWR);
	for (int i = 0; i < f->n; i++)
		shutdown(f->fds[i], SHUT_RDWR);
	/* It may be so new that it is not among them. */
	shutdown(fd, SHUT_RDWR);
}

/* In the midst of its answer, whatever was asked: half of that is not believed, and all is asked again when it is back. */
static void test_docker_dies(void)
{
	static const char *const questions[] = { "/events", "/containers/json", ID_B };

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		struct fake f = { .serve = fake_serve_http, .http = docker_mortal };
		struct rig rig;

		socket_path(&f, "docker");
		fatal = questions[i];
		fake_start(&f);
		rig_open(&rig, &docker_ops, f.path);
		CHECK(rig_until(&rig, RUNTIME_DOWN, 5000));
		CHECK(!rig_named(&rig, ID_B, "ha", 100));
		fake_stop(&f);
		fatal = NULL;
		fake_start(&f);
		CHECK(rig_named(&rig, ID_B, "late", 8000));
		/* When it dies for good, what it told stays known. */
		fake_stop(&f);
		CHECK(rig_until(&rig, RUNTIME_DOWN, 5000));
		CHECK(rig_named(&rig, ID_B, "late", 0));
		CHECK(rig_named(&rig, ID_C, "new", 0));
		rig_close(&rig);
	}
}

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

/* A stream of events without end, which would keep us from reading packets. */
/* A status without words, and one whose words end in newlines. */
static void test_docker_status(void)
{
	static const char *const answers[][2] = {
		{ "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP status 404" },
		{ "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n \n", "HTTP status 404" },
		{ "HTTP/1.1 503 Busy\r\nContent-Length: 8\r\n\r\nlater \r\n", "HTTP status 503: later" },
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct fake f = { .serve = serve_text, .text = answers[i][0] };
		struct rig rig;

		socket_path(&f, "status");
		fake_start(&f);
		rig_open(&rig, &docker_ops, f.path);
		CHECK(rig_until(&rig, RUNTIME_DOWN, 2000));
		CHECK_STR(rig.r->why, answers[i][1]);
		rig_close(&rig);
		fake_stop(&f);
	}
}

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

static void test_messages_cannot_be_forged(void)
{
	check_messages(10, "HTTP status 500");
}

int main(void)
{
	if (rig_begin())
		return 2;
	RUN(test_docker);
	RUN(test_docker_tcp);
	RUN(test_labels_called_as_attributes);
	RUN(test_docker_restarts);
	RUN(test_docker_dies);
	RUN(test_docker_garbage);
	RUN(test_docker_status);
	RUN(test_users_cannot_keep_us_busy);
	RUN(test_messages_cannot_be_forged);
	rig_end();
	return check_status();
}
