/* SPDX-License-Identifier: BSD-3-Clause */
/* containerd and the CRI, and daemons that answer otherwise. */
#include "check.h"
#include "rt.pb-c.h"
#include "runtime_rig.h"

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
	c = rig_find(&rig, NULL, ID_A);
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
	bool answered, said, ready;

	socket_path(&f, "late");
	fake_start(&f);
	rig_open(&rig, &cri_ops, f.path);
	runtime_tick(rig.r, clock_ns(CLOCK_MONOTONIC));
	usleep(300000);
	answered = runtime_answered(rig.r, clock_ns(CLOCK_MONOTONIC));
	rig_step(&rig, 0);
	said = rig.r->said_slow;
	ready = rig_until(&rig, RUNTIME_READY, 1000);
	if (answered || said || rig.r->said_slow || !ready)
		snprintf(check_why, sizeof(check_why), "answered %d, said slow %d, ready %d", answered, said, ready);
	rig_close(&rig);
	fake_stop(&f);
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

static void test_messages_cannot_be_forged(void)
{
	check_messages(20, NULL);
}

int main(void)
{
	if (rig_begin())
		return 2;
	RUN(test_cri_v1alpha2);
	RUN(test_late_look);
	RUN(test_grpc_garbage);
	RUN(test_grpc_bad_messages);
	RUN(test_messages_cannot_be_forged);
	rig_end();
	return check_status();
}
