/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Docker Engine's HTTP API, which Podman speaks too. Paths without a version: Docker 29 refuses versions below 1.44, old
 * daemons those above theirs. https://docs.docker.com/reference/api/engine/
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "meta/container_store.h"
#include "meta/runtime/http.h"
#include "meta/runtime/loop.h"
#include "meta/runtime/runtime.h"
#include "util/log.h"

enum { ID_MAX = 128, INSPECTS_MAX = 4096 };

/* {"type":["container"],"event":["create","start","rename","die","destroy","remove"]}; destroy is Docker's word, remove Podman's */
#define EVENTS_PATH                                                                                                    \
	"/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22create%22%2C%22start%22%2C"       \
	"%22rename%22%2C%22die%22%2C%22destroy%22%2C%22remove%22%5D%7D"

struct docker {
	struct runtime r;
	struct http_request *events, *list;
	struct inspect *inspects;
	size_t ninspects;
	bool said_garbage;
};

struct inspect {
	struct inspect *next;
	struct docker *docker;
	struct http_request *request;
	char id[ID_MAX];
};

static const char *text_of(const cJSON *object, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsString(v) ? v->valuestring : NULL;
}

/* Ids become part of a path. */
static const char *id_of(const cJSON *object, const char *key)
{
	const char *id = text_of(object, key);

	if (!id || !*id || strlen(id) >= ID_MAX || strspn(id, "0123456789abcdef") != strlen(id))
		return NULL;
	return id;
}

static void garbage(struct docker *d, const char *what)
{
	if (!d->said_garbage)
		log_info("docker at '%s': %s is not what it should be: ignored", d->r.path, what);
	d->said_garbage = true;
}

static size_t labels_of(const cJSON *object, struct label **ret)
{
	const cJSON *labels = cJSON_GetObjectItemCaseSensitive(object, "Labels");
	const cJSON *item;
	size_t n = 0;

	*ret = NULL;
	if (!cJSON_IsObject(labels) || !labels->child)
		return 0;
	*ret = calloc((size_t)cJSON_GetArraySize(labels), sizeof(**ret));
	if (!*ret)
		return 0;
	cJSON_ArrayForEach(item, labels) {
		if (item->string && cJSON_IsString(item))
			(*ret)[n++] = (struct label){ item->string, item->valuestring };
	}
	return n;
}

static void put(struct docker *d, const char *id, const char *name, const char *image, const cJSON *with_labels)
{
	struct label *labels;
	struct container_facts f = { .rank = RANK_DOCKER, .id = id, .name = name, .image = image };

	f.nlabels = labels_of(with_labels, &labels);
	f.labels = labels;
	container_store_put(d->r.store, &f);
	free(labels);
}

static void inspect_free(struct inspect *q)
{
	struct inspect **p = &q->docker->inspects;

	while (*p != q)
		p = &(*p)->next;
	*p = q->next;
	q->docker->ninspects--;
	container_store_answered(q->docker->r.store, NULL, q->id);
	free(q);
}

static void inspect_done(void *arg, const char *error, long status, const char *body, size_t len)
{
	struct inspect *q = arg;
	struct docker *d = q->docker;
	cJSON *o = error ? NULL : cJSON_ParseWithLength(body, len);
	const cJSON *config = cJSON_GetObjectItemCaseSensitive(o, "Config");
	const cJSON *pid = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(o, "State"), "Pid");
	const char *id = id_of(o, "Id");

	if (id && config) {
		put(d, id, text_of(o, "Name"), text_of(config, "Image"), config);
		if (cJSON_IsNumber(pid) && pid->valueint > 0)
			container_store_put_init(d->r.store, NULL, id, (uint32_t)pid->valueint);
	} else if (!error) {
		garbage(d, "the answer about a container");
	} else if (status != 404) {
		log_debug("docker at '%s': container '%s': %s", d->r.path, q->id, error);
	}
	cJSON_Delete(o);
	inspect_free(q);
}

static void inspect(struct docker *d, const char *id, bool urgent)
{
	struct inspect *q;
	char path[ID_MAX + 32];

	if (d->ninspects >= INSPECTS_MAX || strspn(id, "0123456789abcdef") != strlen(id) || strlen(id) >= ID_MAX)
		return;
	q = calloc(1, sizeof(*q));
	if (!q)
		return;
	q->docker = d;
	strcpy(q->id, id);
	snprintf(path, sizeof(path), "/containers/%s/json", id);
	q->request =
		http_get(d->r.http, d->r.path, path, &(struct http_handler){ .arg = q, .done = inspect_done }, urgent);
	if (!q->request) {
		free(q);
		return;
	}
	q->next = d->inspects;
	d->inspects = q;
	d->ninspects++;
	container_store_asking(d->r.store, NULL, id);
}

static void list_done(void *arg, const char *error, long status, const char *body, size_t len)
{
	struct docker *d = arg;
	cJSON *list = error ? NULL : cJSON_ParseWithLength(body, len);
	const cJSON *o;

	d->list = NULL;
	if (error) {
		runtime_lost(&d->r, error);
		return;
	}
	if (!cJSON_IsArray(list)) {
		runtime_lost(&d->r, "its list of containers is not JSON as it should be");
		cJSON_Delete(list);
		return;
	}
	cJSON_ArrayForEach(o, list) {
		const char *id = id_of(o, "Id");
		const cJSON *name = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(o, "Names"), 0);

		if (!id) {
			garbage(d, "an entry of the list of containers");
			continue;
		}
		put(d, id, cJSON_IsString(name) ? name->valuestring : NULL, text_of(o, "Image"), o);
		inspect(d, id, false); /* for its pid */
	}
	cJSON_Delete(list);
	runtime_ready(&d->r);
}

static void event_line(void *arg, const char *text, size_t len)
{
	struct docker *d = arg;
	cJSON *o = cJSON_ParseWithLength(text, len);
	const cJSON *actor = cJSON_GetObjectItemCaseSensitive(o, "Actor");
	const char *action = text_of(o, "Action");
	const char *id = id_of(actor, "ID");

	if (!action)
		action = text_of(o, "status");
	if (!id)
		id = id_of(o, "id");
	if (!action || !id) {
		garbage(d, "an event");
	} else if (strcmp(action, "destroy") == 0 || strcmp(action, "remove") == 0) {
		container_store_gone(d->r.store, NULL, id);
	} else if (strcmp(action, "die") == 0) {
		container_store_stopped(d->r.store, NULL, id);
	} else if (strcmp(action, "create") == 0 || strcmp(action, "start") == 0 || strcmp(action, "rename") == 0) {
		/* From "create" on, its name is known before its first process runs. */
		container_store_get(d->r.store, NULL, 0, id, strlen(id), true);
		inspect(d, id, true);
	}
	cJSON_Delete(o);
}

static void events_done(void *arg, const char *error, long status, const char *body, size_t len)
{
	struct docker *d = arg;

	d->events = NULL;
	runtime_lost(&d->r, error ? error : "its stream of events ended");
}

static int docker_open(struct runtime *r)
{
	struct docker *d = (struct docker *)r;
	struct stat st;

	if (strlen(r->path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return -ENAMETOOLONG;
	if (stat(r->path, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	d->said_garbage = false;
	/* Events first: nothing that starts between the two is missed. */
	d->events = http_get(r->http, r->path, EVENTS_PATH,
			     &(struct http_handler){ .arg = d, .line = event_line, .done = events_done }, false);
	d->list = http_get(r->http, r->path, "/containers/json", &(struct http_handler){ .arg = d, .done = list_done },
			   true);
	return d->events && d->list ? 0 : -ENOMEM;
}

static void docker_ask(struct runtime *r, const char *ns, const char *id)
{
	if (!ns)
		inspect((struct docker *)r, id, true);
}

static void docker_close(struct runtime *r)
{
	struct docker *d = (struct docker *)r;

	http_cancel(d->events);
	http_cancel(d->list);
	d->events = d->list = NULL;
	while (d->inspects) {
		http_cancel(d->inspects->request);
		inspect_free(d->inspects);
	}
}

const struct runtime_ops docker_ops = {
	.name = "docker",
	.size = sizeof(struct docker),
	.open = docker_open,
	.ask = docker_ask,
	.close = docker_close,
};
