/* SPDX-License-Identifier: BSD-3-Clause */
/* The Kubernetes container runtime interface: pods, and which container is in which. v1, else v1alpha2. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/container_store.h"
#include "meta/runtime/grpc.h"
#include "meta/runtime/pool.h"
#include "meta/runtime/runtime.h"
#include "rt.pb-c.h"
#include "util/log.h"

enum { ID_MAX = 128, STATUS_OUT_MAX = 512, DIGEST_LEN = 64, CONTAINER_RUNNING = 1 };

struct cri {
	struct runtime r;
	struct grpc *grpc;
	bool alpha; /* speaks v1alpha2 only */
	bool said_garbage;
	unsigned snapshot; /* calls that are out for it */
};

/* One call. */
struct query {
	struct cri *c;
	bool snapshot;
	char id[ID_MAX]; /* whom it is about, "": all */
};

static void start_snapshot(struct cri *c);

static void garbage(struct cri *c, const char *what)
{
	if (!c->said_garbage)
		log_info("cri at '%s': %s is not what it should be: ignored", c->r.path, what);
	c->said_garbage = true;
}

static void snapshot_end(struct cri *c, int status, const char *text)
{
	c->snapshot--;
	if (status == GRPC_OK && c->snapshot == 0) {
		runtime_ready(&c->r);
	} else if (status == GRPC_UNIMPLEMENTED && !c->alpha) {
		if (c->snapshot == 0) {
			c->alpha = true;
			start_snapshot(c);
		}
	} else if (status == GRPC_UNIMPLEMENTED) {
		runtime_off(&c->r, "it does not offer the container runtime interface");
	} else if (status != GRPC_OK) {
		runtime_lost(&c->r, text[0] ? text : "the connection ended without an answer");
	}
}

static void query_end(void *arg, int status, const char *text)
{
	struct query *q = arg;

	if (q->id[0])
		container_store_answered(q->c->r.store, NULL, q->id);
	if (q->snapshot)
		snapshot_end(q->c, status, text);
	else if (status != GRPC_OK && status != GRPC_NOT_FOUND && status != GRPC_NO_ANSWER)
		log_debug("cri at '%s': status %d: %s", q->c->r.path, status, text);
	free(q);
}

static int query(struct cri *c, const char *method, const char *id, bool snapshot, const ProtobufCMessage *body,
		 void (*message)(void *, const uint8_t *, size_t))
{
	struct query *q = calloc(1, sizeof(*q));
	struct grpc_handler handler = { .message = message, .end = query_end, .arg = q };
	char path[96];
	int err;

	if (!q)
		return -ENOMEM;
	q->c = c;
	q->snapshot = snapshot;
	snprintf(q->id, sizeof(q->id), "%s", id ? id : "");
	snprintf(path, sizeof(path), "/runtime.%s.RuntimeService/%s", c->alpha ? "v1alpha2" : "v1", method);
	err = grpc_call(c->grpc, path, NULL, body, false, &handler);
	if (err) {
		free(q);
		return err;
	}
	if (id)
		container_store_asking(c->r.store, NULL, q->id);
	c->snapshot += snapshot;
	return 0;
}

static struct label *labels_of(Rt__Pair *const *pairs, size_t n)
{
	struct label *labels = calloc(n + 1, sizeof(*labels));

	for (size_t i = 0; labels && i < n; i++)
		labels[i] = (struct label){ pairs[i]->key, pairs[i]->value };
	return labels;
}

static void put_pod(struct cri *c, const Rt__Pod *p)
{
	struct pod_facts f = { .sandbox = p->id };
	struct container_facts sandbox = { .rank = RANK_CRI, .id = p->id, .sandbox = p->id, .name = "POD" };

	if (!p->metadata || !p->id[0] || strlen(p->id) >= ID_MAX)
		return;
	f.name = p->metadata->name;
	f.namespace = p->metadata->namespace_;
	f.uid = p->metadata->uid;
	f.labels = labels_of(p->labels, p->n_labels);
	f.annotations = labels_of(p->annotations, p->n_annotations);
	if (f.labels && f.annotations) {
		f.nlabels = p->n_labels;
		f.nannotations = p->n_annotations;
		container_store_put_pod(c->r.store, &f);
		/* The sandbox is a container too: of the process that holds the pod's namespaces. */
		container_store_put(c->r.store, &sandbox);
	}
	free(f.labels);
	free(f.annotations);
}

static void on_pods(void *arg, const uint8_t *data, size_t len)
{
	struct query *q = arg;
	Rt__Pods *list = rt__pods__unpack(pool_allocator(), len, data);

	if (!list) {
		garbage(q->c, "its list of pods");
		return;
	}
	for (size_t i = 0; i < list->n_items; i++)
		put_pod(q->c, list->items[i]);
	rt__pods__free_unpacked(list, NULL);
}

/* "info" of a verbose status: JSON that containerd and CRI-O give the pid in. */
static void put_info(struct cri *c, const char *id, const Rt__Pair *info)
{
	cJSON *o;
	const cJSON *pid;

	if (strcmp(info->key, "info") != 0)
		return;
	o = pool_parse_json(info->value, strlen(info->value));
	pid = cJSON_GetObjectItemCaseSensitive(o, "pid");
	if (cJSON_IsNumber(pid) && pid->valueint > 0)
		container_store_put_init(c->r.store, NULL, id, (uint32_t)pid->valueint);
	cJSON_Delete(o);
}

static void on_status(void *arg, const uint8_t *data, size_t len)
{
	struct query *q = arg;
	Rt__StatusAnswer *s = rt__status_answer__unpack(pool_allocator(), len, data);

	if (!s || !s->status || strcmp(s->status->id, q->id) != 0) {
		garbage(q->c, "the status of a container");
	} else {
		for (size_t i = 0; i < s->n_info; i++)
			put_info(q->c, q->id, s->info[i]);
		if (s->status->image && s->status->image->image[0])
			container_store_put_image(q->c->r.store, q->id, RANK_CRI, s->status->image->image);
	}
	if (s)
		rt__status_answer__free_unpacked(s, NULL);
}

static void ask_status(struct cri *c, const char *id)
{
	Rt__StatusRequest body = RT__STATUS_REQUEST__INIT;

	body.id = (char *)(uintptr_t)id;
	body.verbose = true;
	query(c, "ContainerStatus", id, false, &body.base, on_status);
}

/* filter: an id of a pod or a container, NULL all. */
static void list(struct cri *c, const char *method, const char *filter, const char *about, bool snapshot,
		 void (*message)(void *, const uint8_t *, size_t))
{
	Rt__ListRequest body = RT__LIST_REQUEST__INIT;
	Rt__Filter id = RT__FILTER__INIT;

	if (filter) {
		id.id = (char *)(uintptr_t)filter;
		body.filter = &id;
	}
	query(c, method, about, snapshot, &body.base, message);
}

/* Else it is the image's id or digest. */
static bool is_name(const char *image)
{
	const size_t hex = strspn(image, "0123456789abcdef");

	return strncmp(image, "sha256:", 7) != 0 && (hex != DIGEST_LEN || image[hex]);
}

static void put_container(struct cri *c, const Rt__CriContainer *item)
{
	const bool lives = item->state == CONTAINER_RUNNING || item->state == 0;
	struct container_facts f = { .rank = RANK_CRI, .id = item->id };

	if (!item->id[0] || strlen(item->id) >= ID_MAX || strlen(item->pod) >= ID_MAX)
		return;
	f.labels = labels_of(item->labels, item->n_labels);
	f.nlabels = f.labels ? item->n_labels : 0;
	f.name = item->metadata ? item->metadata->name : NULL;
	/* The status tells the image's name. */
	if (item->image && (!lives || is_name(item->image->image)))
		f.image = item->image->image;
	f.sandbox = item->pod[0] ? item->pod : NULL;
	container_store_put(c->r.store, &f);
	free(f.labels);
	if (f.sandbox && !container_store_has_pod(c->r.store, f.sandbox))
		list(c, "ListPodSandbox", f.sandbox, item->id, false, on_pods);
	if (lives)
		ask_status(c, item->id);
}

static void on_containers(void *arg, const uint8_t *data, size_t len)
{
	struct query *q = arg;
	Rt__CriContainers *l = rt__cri_containers__unpack(pool_allocator(), len, data);

	if (!l) {
		garbage(q->c, "its list of containers");
		return;
	}
	for (size_t i = 0; i < l->n_items; i++)
		put_container(q->c, l->items[i]);
	rt__cri_containers__free_unpacked(l, NULL);
}

static void start_snapshot(struct cri *c)
{
	list(c, "ListPodSandbox", NULL, NULL, true, on_pods);
	list(c, "ListContainers", NULL, NULL, true, on_containers);
}

static void on_lost(void *arg, const char *why)
{
	runtime_lost(arg, why);
}

static int cri_open(struct runtime *r)
{
	struct cri *c = (struct cri *)r;
	int err = grpc_open(&c->grpc, r->loop,
			    &(struct grpc_config){ .path = r->path, .pool = r->pool, .lost = on_lost, .arg = r });

	if (err)
		return err;
	c->said_garbage = c->alpha = false;
	start_snapshot(c);
	return 0;
}

static void cri_ask(struct runtime *r, const char *ns, const char *id)
{
	struct cri *c = (struct cri *)r;

	if (ns && strcmp(ns, "k8s.io") != 0)
		return;
	list(c, "ListContainers", id, id, false, on_containers);
	list(c, "ListPodSandbox", id, id, false, on_pods);
}

static void cri_tick(struct runtime *r, uint64_t now)
{
	grpc_tick(((struct cri *)r)->grpc, now);
}

static void cri_close(struct runtime *r)
{
	struct cri *c = (struct cri *)r;

	grpc_close(c->grpc);
	c->grpc = NULL;
	c->snapshot = 0;
}

const struct runtime_ops cri_ops = {
	.name = "cri",
	.size = sizeof(struct cri),
	.open = cri_open,
	.ask = cri_ask,
	.tick = cri_tick,
	.close = cri_close,
};
