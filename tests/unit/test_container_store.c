/* SPDX-License-Identifier: BSD-3-Clause */
/* What several runtimes tell of a container, merged and bounded. */
#include "check.h"
#include "meta/pods.h"
#include "runtime_rig.h"

/* The sanitizer's, where there is one; gcc comes without the header. */
__attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes(void);

static size_t allocated(void)
{
	return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes() : 0;
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

/* What they carry is, too: names come first. */
static void test_labels_are_bounded(void)
{
	static char value[4000];
	const size_t before = allocated();
	struct label labels[6];
	struct rig rig;
	char id[65];

	memset(value, 'v', sizeof(value) - 1);
	for (size_t i = 0; i < 6; i++)
		labels[i] = (struct label){ &"abcdef"[i], value };
	rig_open(&rig, &docker_ops, "/nonexistent");
	for (unsigned i = 0; i < 8000; i++) {
		snprintf(id, sizeof(id), "%064x", i);
		container_store_put_pod(rig.store, &(struct pod_facts){ id, "p", "n", "u", labels, labels, 6, 6 });
		container_store_put(rig.store, &(struct container_facts){ .rank = RANK_CRI,
									  .id = id,
									  .sandbox = id,
									  .labels = labels,
									  .nlabels = 6,
									  .name = "web" });
	}
	CHECK(allocated() - before < 100u << 20);
	CHECK(str_eq(rig_find(&rig, NULL, id)->desc.name, str_of("web")));
	CHECK(str_eq(rig_find(&rig, NULL, id)->pod.name, str_of("p")));
	CHECK(str_eq(rig_find(&rig, NULL, id)->desc.labels, str_of("{}")));
	snprintf(id, sizeof(id), "%064x", 0u);
	CHECK(rig_find(&rig, NULL, id)->desc.labels.n > 20000);
	rig_close(&rig);
	if (!__sanitizer_get_current_allocated_bytes)
		CHECK_SKIP("without a sanitizer nobody tells how much is allocated");
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
	CHECK(str_eq(rig_find(&rig, NULL, id)->pod.name, str_of("p")));
	snprintf(id, sizeof(id), "%064x", 7u);
	CHECK(!container_store_has_pod(rig.store, id));
	rig_close(&rig);
}

/* As many as there may be: no other is taken, but what is told anew of a known one is. */
static void test_full_of_pods(void)
{
	struct pods pods;
	struct budget budget = { 0 };
	char id[65];
	unsigned n = 0;

	pods_init(&pods);
	do
		snprintf(id, sizeof(id), "%064x", n);
	while (pods_put(&pods, &budget, &(struct pod_facts){ id, "p", "n", "u", NULL, NULL, 0, 0 }) && ++n < 100000);
	CHECK(n < 100000);
	CHECK(!pods_find(&pods, id));
	for (unsigned i = 0; i < n; i += n - 1) {
		snprintf(id, sizeof(id), "%064x", i);
		CHECK(pods_put(&pods, &budget, &(struct pod_facts){ id, "new", "n", "u", NULL, NULL, 0, 0 }) != NULL);
		CHECK_STR(pods_find(&pods, id)->name, "new");
	}
	CHECK_INT(pods.n, n);
	pods_free(&pods);
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
	serial = rig_find(&rig, NULL, ID_A)->serial;
	container_store_put(rig.store, &shadow);
	CHECK(rig_find(&rig, "moby", ID_A) == rig_find(&rig, NULL, ID_A));
	CHECK_INT(rig_find(&rig, NULL, ID_A)->serial, serial);
	CHECK(str_eq(rig_find(&rig, NULL, ID_A)->desc.name, str_of("web")));
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
	CHECK(rig_find(&rig, "a", "web") != rig_find(&rig, "b", "web"));
	CHECK(str_eq(rig_find(&rig, "b", "web")->desc.image, str_of("2")));
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
	CHECK(str_eq(rig_find(&rig, NULL, ID_A)->desc.name, str_of("web")));
	user.id = ID_B;
	container_store_put(rig.store, &user);
	CHECK(str_eq(rig_find(&rig, NULL, ID_B)->desc.name, str_of("forged")));
	CHECK(!rig_find(&rig, NULL, ID_B)->pod.name.p);
	CHECK(container_entry_complete(container_store_get(rig.store, NULL, 0, ID_B, 64, false)));
	container_store_put(rig.store, &(struct container_facts){ .rank = RANK_DOCKER, .id = ID_B, .name = "/db" });
	CHECK(str_eq(rig_find(&rig, NULL, ID_B)->desc.name, str_of("db")));
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
	CHECK(str_eq(rig_find(&rig, NULL, ID_A)->desc.name, str_of("first")));
	container_store_put(rig.store, &(struct container_facts){ .rank = RANK_DOCKER, .id = ID_B, .name = "web" });
	user.id = id;
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(id, sizeof(id), "%064x", i);
		container_store_put(rig.store, &user);
	}
	CHECK(rig_find(&rig, NULL, ID_B));
	CHECK(!rig_find(&rig, NULL, id));
	/* A container that runs can be named still. */
	container_store_get(rig.store, NULL, 0, id, 64, true);
	container_store_put(rig.store, &user);
	CHECK(rig_find(&rig, NULL, id));
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
	CHECK(str_eq(rig_find(&rig, "tns", "web")->desc.name, str_of("shop")));
	shop.name = NULL;
	shop.image = "2";
	container_store_put(rig.store, &shop);
	CHECK(str_eq(rig_find(&rig, "tns", "web")->desc.name, str_of("web")));
	CHECK(str_eq(rig_find(&rig, "tns", "web")->desc.image, str_of("2")));
	rig_close(&rig);
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

int main(void)
{
	RUN(test_store_is_bounded);
	RUN(test_labels_are_bounded);
	RUN(test_pods_come_and_go);
	RUN(test_full_of_pods);
	RUN(test_first_process);
	RUN(test_merge);
	RUN(test_users_cannot_rename);
	RUN(test_users_have_a_share);
	RUN(test_short_ids_come_again);
	RUN(test_namespaces_are_bounded);
	return check_status();
}
