/* SPDX-License-Identifier: BSD-3-Clause */
#include "format/comments.h"

#include <ptcpdump/event.h>
#include <stdlib.h>

#include "check.h"
#include "format/pcapng.h"

static struct annotation sample(void)
{
	return (struct annotation){
		.serial = 7,
		.has = ANNOT_ALL,
		.process = { .pid = 122868, .cmd = str_of("/usr/bin/curl"), .args = str_of("curl kernel.com") },
		.tid = 122869,
		.thread = str_of("worker"),
		.uid = 1000,
		.parent = { .pid = 53229, .cmd = str_of("/usr/bin/bash"), .args = str_of("-bash") },
		.container = { str_of("i"), str_of("n"), str_of("img"), str_of("{\"a\":\"b\"}") },
		.pod = { str_of("p"), str_of("ns"), str_of("u"), str_of("{}"), str_of("{\"k\":\"x\\ny\"}") },
		.peer = { .pid = 9, .cmd = str_of("/usr/sbin/nginx"), .args = str_of("nginx: worker") },
		.peer_uid = 33,
		.peer_user = str_of("www-data"),
		.peer_container = { str_of("j"), str_of("m"), str_of("jmg"), str_of("{\"c\":\"d\"}") },
		.peer_pod = { .name = str_of("q"), .namespace = str_of("ms"), .labels = str_of("{}") },
		.ancestors = str_of("bash.53229,init.1"),
		.peer_ancestors = str_of("init.1"),
		.effective = { .pid = 8, .cmd = str_of("Safari"), .args = str_of("") },
		.end = str_of(ANNOT_SOURCE),
	};
}

/* The comments of encoded options, one after the other, separated by '|'. */
static char *comments_text(const struct buf *b)
{
	struct pcapng_options o = { (const uint8_t *)b->p, (const uint8_t *)b->p + b->len };
	struct buf text = { 0 };
	const uint8_t *value;
	uint16_t code, n;

	while (pcapng_next_option(&o, &code, &value, &n)) {
		if (text.len)
			buf_put(&text, "|", 1);
		buf_put(&text, value, n);
	}
	buf_put(&text, "", 1);
	return text.p;
}

static void test_annotation_text(void)
{
	const struct annotation a = sample();
	struct buf b = { 0 };
	char *text;

	annotation_encode(&annotation_schema, &b, &a, ANNOT_ALL);
	CHECK_INT(b.len % 4, 0);
	text = comments_text(&b);
	CHECK_STR(text, "PID: 122868\nCmd: /usr/bin/curl\nArgs: curl kernel.com|"
			"ThreadId: 122869\nThreadName: worker|"
			"UserId: 1000|"
			"ParentPID: 53229\nParentCmd: /usr/bin/bash\nParentArgs: -bash|"
			"ContainerName: n\nContainerId: i\nContainerImage: img\nContainerLabels: {\"a\":\"b\"}|"
			"PodName: p\nPodNamespace: ns\nPodUID: u\nPodLabels: {}\nPodAnnotations: {\"k\":\"x\\ny\"}|"
			"Ancestors: bash.53229,init.1|"
			"PeerPID: 9\nPeerCmd: /usr/sbin/nginx\nPeerArgs: nginx: worker|"
			"PeerUserId: 33\nPeerUserName: www-data|"
			"PeerContainerName: m\nPeerContainerId: j|"
			"PeerContainerImage: jmg\nPeerContainerLabels: {\"c\":\"d\"}|"
			"PeerPodName: q\nPeerPodNamespace: ms|PeerPodLabels: {}|"
			"PeerAncestors: init.1|"
			"EffectivePID: 8\nEffectiveCmd: Safari\nEffectiveArgs: |"
			"End: src");
	free(text);
	buf_done(&b);
}

static void test_annotation_context(void)
{
	const struct annotation a = sample();
	struct buf b = { 0 };
	char *text;

	annotation_encode(&annotation_schema, &b, &a, ANNOT_USER | ANNOT_PARENT);
	text = comments_text(&b);
	CHECK_STR(text, "UserId: 1000|ParentPID: 53229\nParentCmd: /usr/bin/bash\nParentArgs: -bash");
	free(text);
	buf_done(&b);
}

static bool same_process(const struct process_desc *a, const struct process_desc *b)
{
	return a->pid == b->pid && str_eq(a->cmd, b->cmd) && str_eq(a->args, b->args) && str_eq(a->name, b->name) &&
	       str_eq(a->comm, b->comm);
}

static bool same(const struct annotation *a, const struct annotation *b)
{
	return a->has == b->has && same_process(&a->process, &b->process) && a->tid == b->tid &&
	       str_eq(a->thread, b->thread) && a->uid == b->uid && str_eq(a->user, b->user) &&
	       same_process(&a->parent, &b->parent) && str_eq(a->container.id, b->container.id) &&
	       str_eq(a->container.name, b->container.name) && str_eq(a->container.image, b->container.image) &&
	       str_eq(a->container.labels, b->container.labels) && str_eq(a->pod.name, b->pod.name) &&
	       str_eq(a->pod.namespace, b->pod.namespace) && str_eq(a->pod.uid, b->pod.uid) &&
	       str_eq(a->pod.labels, b->pod.labels) && str_eq(a->pod.annotations, b->pod.annotations) &&
	       same_process(&a->peer, &b->peer) && a->peer_uid == b->peer_uid && str_eq(a->peer_user, b->peer_user);
}

static struct annotation *decode(const struct buf *b)
{
	struct annotation *a = NULL;
	uint8_t *exact = malloc(b->len); /* so that the sanitizer sees every byte too many */

	memcpy(exact, b->p, b->len);
	if (annotation_decode(&annotation_schema, &a, exact, b->len, 42))
		a = NULL;
	free(exact);
	return a;
}

static void test_annotation_round_trip(void)
{
	struct annotation a = sample(), *back;
	struct buf b = { 0 };

	a.user = str_of("root");
	a.process.name = str_of("nslookup");
	a.process.comm = str_of("a\nb");
	a.parent.comm = str_of("renamed");
	a.peer.name = str_of("a-server");
	annotation_encode(&annotation_schema, &b, &a, ANNOT_ALL);
	back = decode(&b);
	CHECK(back);
	CHECK_INT(back->serial, 42);
	CHECK(same(&a, back));
	free(back);
	buf_done(&b);
}

/* Pids of the host stay apart from ours of the same number. */
static void test_annotation_outside(void)
{
	struct annotation a = sample(), *back;
	struct buf b = { 0 };
	char *text;

	a.process.pid = 12 | PID_OUTSIDE;
	a.tid = 13 | PID_OUTSIDE;
	a.parent.pid = 4194303 | PID_OUTSIDE;
	annotation_encode(&annotation_schema, &b, &a, ANNOT_PROCESS | ANNOT_THREAD | ANNOT_PARENT);
	text = comments_text(&b);
	CHECK_STR(text, "PID: 12@host\nCmd: /usr/bin/curl\nArgs: curl kernel.com|"
			"ThreadId: 13@host\nThreadName: worker|"
			"ParentPID: 4194303@host\nParentCmd: /usr/bin/bash\nParentArgs: -bash");
	back = decode(&b);
	CHECK(back);
	CHECK_INT(back->process.pid, 12 | PID_OUTSIDE);
	CHECK_INT(back->tid, 13 | PID_OUTSIDE);
	CHECK_INT(back->parent.pid, 4194303 | PID_OUTSIDE);
	free(back);
	free(text);
	buf_done(&b);
}

/* Behind what other readers know; what says nothing is not written. */
static void test_annotation_names(void)
{
	struct annotation a = sample();
	struct buf b = { 0 };
	char *text;

	process_desc_set_names(&a.process, str_of("nslookup"), str_of("nslookup"));
	process_desc_set_names(&a.parent, str_of("bash"), str_of("renamed"));
	annotation_encode(&annotation_schema, &b, &a, ANNOT_PROCESS | ANNOT_PARENT);
	text = comments_text(&b);
	CHECK_STR(text, "PID: 122868\nCmd: /usr/bin/curl\nArgs: curl kernel.com\nName: nslookup|"
			"ParentPID: 53229\nParentCmd: /usr/bin/bash\nParentArgs: -bash\nParentComm: renamed");
	free(text);
	buf_done(&b);
}

/* Everything that could be taken for an escape, or for another line. */
static void test_annotation_escapes(void)
{
	static const char alphabet[] = "\\n\nx";
	struct annotation a = sample();

	for (unsigned code = 0; code < 4 * 4 * 4 * 4 * 4 * 4; code++) {
		struct annotation *back;
		struct buf b = { 0 };
		char args[7] = { 0 };

		for (unsigned i = 0, c = code; i < 6; i++, c /= 4)
			args[i] = alphabet[c % 4];
		a.process.args = str_of(args);
		annotation_encode(&annotation_schema, &b, &a, ANNOT_PROCESS | ANNOT_PARENT);
		back = decode(&b);
		CHECK(back && str_eq(back->process.args, a.process.args));
		CHECK_INT(back->parent.pid, 53229);
		free(back);
		buf_done(&b);
	}
}

static void test_annotation_newline_is_no_new_line(void)
{
	struct annotation a = sample(), *back;
	struct buf b = { 0 };

	a.process.args = str_of("x\nPID: 1\nCmd: /bin/evil\nParentPID: 2");
	annotation_encode(&annotation_schema, &b, &a, ANNOT_PROCESS | ANNOT_PARENT);
	back = decode(&b);
	CHECK(back);
	CHECK_INT(back->process.pid, 122868);
	CHECK_INT(back->parent.pid, 53229);
	CHECK(str_eq(back->process.args, a.process.args));
	free(back);
	buf_done(&b);
}

static void test_annotation_too_long(void)
{
	struct annotation a = sample(), *back;
	char *big = malloc(200001);
	struct buf b = { 0 };

	memset(big, 'a', 200000);
	big[200000] = '\0';
	memcpy(big + 100, "\xc3\xa9\n\\n", 5);
	a.process.args = str_of(big);
	a.pod.labels = a.pod.annotations = a.pod.uid = str_of(big);
	annotation_encode(&annotation_schema, &b, &a, ANNOT_ALL);
	back = decode(&b);
	CHECK(back);
	CHECK_INT(back->has, ANNOT_ALL);
	CHECK(back->process.args.n > 65000 && back->process.args.n < 65536);
	CHECK_MEM(back->process.args.p + back->process.args.n - 3, "...", 3);
	CHECK_MEM(back->process.args.p, big, 60000);
	CHECK(str_eq(back->pod.name, a.pod.name));
	CHECK(back->pod.uid.n > 20000 && back->pod.labels.n > 20000 && back->pod.annotations.n > 20000);
	CHECK_MEM(back->pod.annotations.p + back->pod.annotations.n - 3, "...", 3);
	free(back);
	free(big);
	buf_done(&b);
}

/* A cut never leaves half a character or half an escape, wherever it falls. */
static void test_annotation_cut_is_clean(void)
{
	struct annotation a = sample();

	for (unsigned shift = 0; shift < 8; shift++) {
		struct buf args = { 0 }, b = { 0 };
		struct annotation *back;

		for (unsigned i = 0; i < shift; i++)
			buf_put(&args, "x", 1);
		for (unsigned i = 0; i < 20000; i++)
			buf_put(&args, "\xe2\x82\xac\n\\", 5);
		a.process.args = (struct str){ args.p, (uint32_t)args.len };
		annotation_encode(&annotation_schema, &b, &a, ANNOT_PROCESS);
		back = decode(&b);
		CHECK(back && back->process.args.n > 3);
		CHECK_MEM(back->process.args.p, args.p, back->process.args.n - 3);
		CHECK((args.p[back->process.args.n - 3] & 0xc0) != 0x80);
		free(back);
		buf_done(&args);
		buf_done(&b);
	}
}

static struct annotation *decode_comments(const char *const *comments)
{
	struct annotation *a;
	struct buf b = { 0 };

	for (; *comments; comments++)
		pcapng_put_option(&b, OPT_COMMENT, *comments, strlen(*comments));
	a = decode(&b);
	buf_done(&b);
	return a;
}

static void test_annotation_of_the_go_program(void)
{
	const char *const comments[] = {
		"PID: 10\nCmd: /usr/bin/wget\nArgs: wget kernel.org",
		"ThreadId: 11\nThreadName: wget",
		"UserId: 0\nGroupId: 5",
		"ParentPID: 9\nParentCmd: /bin/sh\nParentArgs: sh",
		"ContainerName: test\nContainerId: d902\nContainerImage: docker.io/library/alpine:3.18\nContainerLabels: {}",
		"PodName: test\nPodNamespace: default\nPodUID: 9e4b\nPodLabels: {}\nPodAnnotations: {}",
		NULL,
	};
	struct annotation *a = decode_comments(comments);

	CHECK(a);
	CHECK_INT(a->has, ANNOT_PROCESS | ANNOT_THREAD | ANNOT_USER | ANNOT_PARENT | ANNOT_CONTAINER | ANNOT_POD);
	CHECK_INT(a->process.pid, 10);
	CHECK(str_eq(a->process.args, str_of("wget kernel.org")));
	CHECK_INT(a->tid, 11);
	CHECK_INT(a->uid, 0);
	CHECK(str_eq(a->parent.cmd, str_of("/bin/sh")));
	CHECK(str_eq(a->container.image, str_of("docker.io/library/alpine:3.18")));
	CHECK(str_eq(a->pod.annotations, str_of("{}")));
	free(a);
}

static void test_annotation_aliases(void)
{
	const char *const comments[] = { "PID: 1\nCommand: /sbin/init\nArgs: init", "TID: 2\nThreadName: t",
					 "ParentPID: 3\nParentCommand: /bin/p\nParentArgs: p", NULL };
	struct annotation *a = decode_comments(comments);

	CHECK(a);
	CHECK(str_eq(a->process.cmd, str_of("/sbin/init")));
	CHECK_INT(a->tid, 2);
	CHECK(str_eq(a->parent.cmd, str_of("/bin/p")));
	free(a);
}

/* The Go program did not escape: a line break in an argument must not become the parent or the container. */
static void test_annotation_forged_lines(void)
{
	const char *const comments[] = { "PID: 10\nCmd: /bin/sh\nArgs: sh -c a\nParentPID: 1\nPID: 2\nContainerId: x",
					 "ParentPID: 9\nParentCmd: /bin/true\nParentArgs: true", NULL };
	struct annotation *a = decode_comments(comments);

	CHECK(a);
	CHECK_INT(a->has, ANNOT_PROCESS | ANNOT_PARENT);
	CHECK_INT(a->process.pid, 10);
	CHECK_INT(a->parent.pid, 9);
	CHECK(str_eq(a->process.args, str_of("sh -c a\nParentPID: 1\nPID: 2\nContainerId: x")));
	free(a);
}

static void test_annotation_of_others(void)
{
	const char *const notes[] = { "look at this one", "",		"PID: seven\nCmd: x", "PID: 99999999999",
				      "PID: 2147483653",  "PID: 5@hos", "PID: @host",	      "PID: 2147483653@host",
				      "Name: x",	  NULL };
	const char *const mixed[] = { "a note: here", "Name: of a note", "PID: 5\nCmd: x\nArgs: y", NULL };
	struct annotation *a;

	CHECK(!decode_comments(notes));
	a = decode_comments(mixed);
	CHECK(a && a->process.pid == 5 && !a->process.name.n);
	free(a);
}

int main(void)
{
	RUN(test_annotation_text);
	RUN(test_annotation_context);
	RUN(test_annotation_names);
	RUN(test_annotation_round_trip);
	RUN(test_annotation_outside);
	RUN(test_annotation_escapes);
	RUN(test_annotation_newline_is_no_new_line);
	RUN(test_annotation_too_long);
	RUN(test_annotation_cut_is_clean);
	RUN(test_annotation_of_the_go_program);
	RUN(test_annotation_aliases);
	RUN(test_annotation_forged_lines);
	RUN(test_annotation_of_others);
	return check_status();
}
