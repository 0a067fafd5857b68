/* SPDX-License-Identifier: BSD-3-Clause */
/* containerd's gRPC API, of all its namespaces. Docker keeps its containers in the namespace "moby", the CRI in "k8s.io". */
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

#define SERVICE "/containerd.services."

enum { NS_MAX = 128, ID_MAX = 128 };

struct containerd {
	struct runtime r;
	struct grpc *grpc;
	unsigned snapshot; /* calls that are out for it */
	bool said_garbage;
	char *namespaces[256]; /* told by this containerd */
	size_t nnamespaces;
};

/* One call. */
struct query {
	struct containerd *c;
	bool snapshot;
	char ns[NS_MAX];
	char id[ID_MAX]; /* "": all */
};

static void list_namespace(struct containerd *c, const char *ns, bool snapshot);

static void garbage(struct containerd *c, const char *what)
{
	if (!c->said_garbage)
		log_info("containerd at '%s': %s is not what it should be: ignored", c->r.path, what);
	c->said_garbage = true;
}

static void query_end(void *arg, int status, const char *text)
{
	struct query *q = arg;
	struct containerd *c = q->c;

	if (q->id[0])
		container_store_answered(c->r.store, q->ns, q->id);
	if (status != GRPC_OK && status != GRPC_NOT_FOUND && status != GRPC_NO_ANSWER)
		log_debug("containerd at '%s': status %d: %s", c->r.path, status, text);
	if (q->snapshot && --c->snapshot == 0 && status == GRPC_OK)
		runtime_ready(&c->r);
	else if (q->snapshot && status == GRPC_UNIMPLEMENTED)
		runtime_off(&c->r, "it does not offer containerd's services");
	else if (q->snapshot && status != GRPC_OK)
		runtime_lost(&c->r, text[0] ? text : "the connection ended without an answer");
	free(q);
}

static int query(struct containerd *c, const char *method, const char *ns, const char *id, bool snapshot,
		 const ProtobufCMessage *body, void (*message)(void *, const uint8_t *, size_t))
{
	struct query *q = calloc(1, sizeof(*q));
	struct grpc_handler handler = { .message = message, .end = query_end, .arg = q };
	int err;

	if (!q)
		return -ENOMEM;
	q->c = c;
	q->snapshot = snapshot;
	snprintf(q->ns, sizeof(q->ns), "%s", ns ? ns : "");
	snprintf(q->id, sizeof(q->id), "%s", id ? id : "");
	err = grpc_call(c->grpc, method, ns, body, false, &handler);
	if (err) {
		free(q);
		return err;
	}
	if (id)
		container_store_asking(c->r.store, q->ns, q->id);
	c->snapshot += snapshot;
	return 0;
}

static void put(struct containerd *c, const char *ns, const Rt__Container *item)
{
	struct label *labels = calloc(item->n_labels + 1, sizeof(*labels));
	struct container_facts f = { .rank = RANK_CONTAINERD, .ns = ns, .id = item->id, .image = item->image };

	if (!labels || !item->id[0] || strlen(item->id) >= ID_MAX) {
		free(labels);
		return;
	}
	for (size_t i = 0; i < item->n_labels; i++)
		labels[f.nlabels++] = (struct label){ item->labels[i]->key, item->labels[i]->value };
	f.labels = labels;
	f.name = label_get(labels, f.nlabels, "nerdctl/name");
	/* Docker itself knows its containers' names. */
	if (strcmp(ns, "moby") == 0)
		f = (struct container_facts){ .rank = RANK_SHADOW, .id = item->id };
	container_store_put(c->r.store, &f);
	free(labels);
}

static void on_containers(void *arg, const uint8_t *data, size_t len)
{
	struct query *q = arg;
	Rt__Containers *list = rt__containers__unpack(pool_allocator(), len, data);

	if (!list) {
		garbage(q->c, "its list of containers");
		return;
	}
	for (size_t i = 0; i < list->n_items; i++)
		put(q->c, q->ns, list->items[i]);
	rt__containers__free_unpacked(list, NULL);
}

static void on_container(void *arg, const uint8_t *data, size_t len)
{
	struct query *q = arg;
	Rt__ContainerAnswer *answer = rt__container_answer__unpack(pool_allocator(), len, data);

	if (answer && answer->item)
		put(q->c, q->ns, answer->item);
	else
		garbage(q->c, "the answer about a container");
	rt__container_answer__free_unpacked(answer, NULL);
}

static void on_tasks(void *arg, const uint8_t *data, size_t len)
{
	struct query *q = arg;
	Rt__Tasks *list = rt__tasks__unpack(pool_allocator(), len, data);

	if (!list) {
		garbage(q->c, "its list of tasks");
		return;
	}
	for (size_t i = 0; i < list->n_items; i++) {
		const Rt__Task *t = list->items[i];
		const char *id = t->container_id[0] ? t->container_id : t->id;

		if (id[0] && strlen(id) < ID_MAX)
			container_store_put_init(q->c->r.store, q->ns, id, t->pid);
	}
	rt__tasks__free_unpacked(list, NULL);
}

static void get(struct containerd *c, const char *ns, const char *id)
{
	Rt__IdRequest body = RT__ID_REQUEST__INIT;

	body.id = (char *)(uintptr_t)id;
	query(c, SERVICE "containers.v1.Containers/Get", ns, id, false, &body.base, on_container);
}

static bool add_namespace(struct containerd *c, const char *ns)
{
	for (size_t i = 0; i < c->nnamespaces; i++) {
		if (strcmp(c->namespaces[i], ns) == 0)
			return false;
	}
	if (!ns[0] || strlen(ns) >= NS_MAX || c->nnamespaces == sizeof(c->namespaces) / sizeof(c->namespaces[0]))
		return false;
	c->namespaces[c->nnamespaces] = strdup(ns);
	if (!c->namespaces[c->nnamespaces])
		return false;
	c->nnamespaces++;
	container_store_put_namespace(c->r.store, ns);
	return true;
}

/* What ran in it may still be named: the store keeps it. */
static void remove_namespace(struct containerd *c, const char *ns)
{
	for (size_t i = 0; i < c->nnamespaces; i++) {
		if (strcmp(c->namespaces[i], ns) == 0) {
			free(c->namespaces[i]);
			c->namespaces[i] = c->namespaces[--c->nnamespaces];
			return;
		}
	}
}

static void list_namespace(struct containerd *c, const char *ns, bool snapshot)
{
	query(c, SERVICE "containers.v1.Containers/List", ns, NULL, snapshot, NULL, on_containers);
	query(c, SERVICE "tasks.v1.Tasks/List", ns, NULL, snapshot, NULL, on_tasks);
}

static void on_namespaces(void *arg, const uint8_t *data, size_t len)
{
	struct query *q = arg;
	Rt__Namespaces *list = rt__namespaces__unpack(pool_allocator(), len, data);

	if (!list) {
		runtime_lost(&q->c->r, "its list of namespaces is not what it should be");
		return;
	}
	for (size_t i = 0; i < list->n_items; i++) {
		if (add_namespace(q->c, list->items[i]->name))
			list_namespace(q->c, list->items[i]->name, true);
	}
	rt__namespaces__free_unpacked(list, NULL);
}

static void on_task_start(struct containerd *c, const char *ns, const Rt__Any *event)
{
	Rt__TaskStart *t = rt__task_start__unpack(pool_allocator(), event->value.len, event->value.data);

	if (t && t->id[0] && strlen(t->id) < ID_MAX)
		container_store_put_init(c->r.store, ns, t->id, t->pid);
	rt__task_start__free_unpacked(t, NULL);
}

/* An exec'd process has an id of its own, a container's first process that of the container. */
static void on_task_exit(struct containerd *c, const char *ns, const Rt__Any *event)
{
	Rt__Task *t = rt__task__unpack(pool_allocator(), event->value.len, event->value.data);

	if (t && strcmp(t->id, t->container_id) == 0 && strlen(t->id) < ID_MAX)
		container_store_stopped(c->r.store, ns, t->id);
	rt__task__free_unpacked(t, NULL);
}

static void on_event(void *arg, const uint8_t *data, size_t len)
{
	struct containerd *c = arg;
	Rt__Envelope *e = rt__envelope__unpack(pool_allocator(), len, data);
	Rt__Event *event =
		e && e->event ? rt__event__unpack(pool_allocator(), e->event->value.len, e->event->value.data) : NULL;

	if (!event || !event->id[0] || strlen(event->id) >= ID_MAX || strlen(e->namespace_) >= NS_MAX) {
		garbage(c, "an event");
	} else if (strcmp(e->topic, "/containers/create") == 0 || strcmp(e->topic, "/containers/update") == 0) {
		add_namespace(c, e->namespace_);
		container_store_get(c->r.store, e->namespace_, strlen(e->namespace_), event->id, strlen(event->id),
				    true);
		get(c, e->namespace_, event->id);
	} else if (strcmp(e->topic, "/tasks/start") == 0) {
		on_task_start(c, e->namespace_, e->event);
	} else if (strcmp(e->topic, "/tasks/exit") == 0) {
		on_task_exit(c, e->namespace_, e->event);
	} else if (strcmp(e->topic, "/containers/delete") == 0 && strcmp(e->namespace_, "moby") != 0) {
		container_store_gone(c->r.store, e->namespace_, event->id);
	} else if (strcmp(e->topic, "/namespaces/create") == 0) {
		add_namespace(c, event->id);
	} else if (strcmp(e->topic, "/namespaces/delete") == 0) {
		remove_namespace(c, event->id);
	}
	if (event)
		rt__event__free_unpacked(event, NULL);
	if (e)
		rt__envelope__free_unpacked(e, NULL);
}

static void events_end(void *arg, int status, const char *text)
{
	struct containerd *c = arg;

	if (status == GRPC_UNIMPLEMENTED)
		runtime_off(&c->r, "it does not offer containerd's services");
	else
		runtime_lost(&c->r, text[0] ? text : "its stream of events ended");
}

static void on_lost(void *arg, const char *why)
{
	runtime_lost(arg, why);
}

static int containerd_open(struct runtime *r)
{
	struct containerd *c = (struct containerd *)r;
	char *filters[] = { "topic~=\"^/(containers|namespaces)/\"", "topic==\"/tasks/start\"",
			    "topic==\"/tasks/exit\"" };
	Rt__Subscription body = RT__SUBSCRIPTION__INIT;
	int err = grpc_open(&c->grpc, r->loop,
			    &(struct grpc_config){ .path = r->path, .pool = r->pool, .lost = on_lost, .arg = r });

	if (err)
		return err;
	c->said_garbage = false;
	body.filters = filters;
	body.n_filters = sizeof(filters) / sizeof(filters[0]);
	err = grpc_call(c->grpc, SERVICE "events.v1.Events/Subscribe", NULL, &body.base, true,
			&(struct grpc_handler){ .message = on_event, .end = events_end, .arg = c });
	if (!err)
		err = query(c, SERVICE "namespaces.v1.Namespaces/List", NULL, NULL, true, NULL, on_namespaces);
	if (err) {
		grpc_close(c->grpc);
		c->grpc = NULL;
	}
	return err;
}

static void containerd_ask(struct runtime *r, const char *ns, const char *id)
{
	struct containerd *c = (struct containerd *)r;

	if (ns) {
		get(c, ns, id);
		return;
	}
	for (size_t i = 0; i < c->nnamespaces; i++)
		get(c, c->namespaces[i], id);
}

static void containerd_tick(struct runtime *r, uint64_t now)
{
	grpc_tick(((struct containerd *)r)->grpc, now);
}

static void containerd_close(struct runtime *r)
{
	struct containerd *c = (struct containerd *)r;

	grpc_close(c->grpc);
	c->grpc = NULL;
	c->snapshot = 0;
	for (size_t i = 0; i < c->nnamespaces; i++)
		free(c->namespaces[i]);
	c->nnamespaces = 0;
}

const struct runtime_ops containerd_ops = {
	.name = "containerd",
	.size = sizeof(struct containerd),
	.open = containerd_open,
	.ask = containerd_ask,
	.tick = containerd_tick,
	.close = containerd_close,
};
