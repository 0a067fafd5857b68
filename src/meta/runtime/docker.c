/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Docker Engine's HTTP API, which Podman speaks too. Paths without a version: Docker 29 refuses versions below 1.44, old
 * daemons those above theirs. https://docs.docker.com/reference/api/engine/
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "meta/container_store.h"
#include "meta/runtime/http.h"
#include "meta/runtime/loop.h"
#include "meta/runtime/pool.h"
#include "meta/runtime/runtime.h"
#include "meta/runtime/user_socket.h"
#include "util/local.h"
#include "util/log.h"

enum { ID_MAX = 128, QUESTIONS_MAX = 4096 };

/* {"type":["container"],"event":["create","start","rename","die","destroy","remove"]}; destroy is Docker's word, remove Podman's */
#define EVENTS_PATH                                                                                                    \
	"/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22create%22%2C%22start%22%2C"       \
	"%22rename%22%2C%22die%22%2C%22destroy%22%2C%22remove%22%5D%7D"

struct docker {
	struct runtime r;
	struct http_request *events, *list;
	struct question *questions;
	size_t nquestions;
	bool said_garbage;
};

/* About one container. */
struct question {
	struct question *next;
	struct docker *docker;
	struct http_request *request;
	char id[ID_MAX];
};

static void ask(struct docker *d, const char *id, bool inspect, bool urgent);

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

static enum container_rank rank_of(const struct docker *d)
{
	return d->r.user ? RANK_USER : RANK_DOCKER;
}

/* A user's daemon neither ends another daemon's containers nor tells who their processes are. */
static bool may_change(const struct docker *d, const char *id)
{
	const struct container_entry *e = container_store_get(d->r.store, NULL, 0, id, strlen(id), CREATE_NOT);

	return e && (!d->r.user || (e->rank == RANK_USER && e->user == d->r.user));
}

static void put(struct docker *d, const char *id, const char *name, const char *image, const cJSON *with_labels)
{
	struct label *labels;
	struct container_facts f = { .rank = rank_of(d), .user = d->r.user, .id = id, .name = name, .image = image };

	f.nlabels = labels_of(with_labels, &labels);
	f.labels = labels;
	container_store_put(d->r.store, &f);
	free(labels);
}

static void question_free(struct question *q)
{
	struct question **p = &q->docker->questions;

	while (*p != q)
		p = &(*p)->next;
	*p = q->next;
	q->docker->nquestions--;
	container_store_answered(q->docker->r.store, NULL, q->id);
	free(q);
}

static void inspect_done(void *arg, const char *error, long status, const char *body, size_t len)
{
	struct question *q = arg;
	struct docker *d = q->docker;
	cJSON *o = error ? NULL : pool_parse_json(body, len);
	const cJSON *config = cJSON_GetObjectItemCaseSensitive(o, "Config");
	const cJSON *pid = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(o, "State"), "Pid");
	const char *id = id_of(o, "Id");

	if (id && config) {
		put(d, id, text_of(o, "Name"), text_of(config, "Image"), config);
		if (cJSON_IsNumber(pid) && pid->valueint > 0 && may_change(d, id))
			container_store_put_init(d->r.store, NULL, id, (uint32_t)pid->valueint);
	} else if (!error) {
		garbage(d, "the answer about a container");
	} else if (status != 404) {
		log_debug("docker at '%s': container '%s': %s", d->r.path, q->id, error);
	}
	cJSON_Delete(o);
	question_free(q);
}

/* Name and labels of what a list holds; whether it is a list. */
static bool put_list(struct docker *d, const cJSON *list, bool inspect)
{
	const cJSON *o;

	if (!cJSON_IsArray(list))
		return false;
	cJSON_ArrayForEach(o, list) {
		const char *id = id_of(o, "Id");
		const cJSON *name = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(o, "Names"), 0);

		if (!id) {
			garbage(d, "an entry of the list of containers");
			continue;
		}
		put(d, id, cJSON_IsString(name) ? name->valuestring : NULL, text_of(o, "Image"), o);
		if (inspect)
			ask(d, id, true, false); /* for its pid */
	}
	return true;
}

static void find_done(void *arg, const char *error, long status, const char *body, size_t len)
{
	struct question *q = arg;
	cJSON *list = error ? NULL : pool_parse_json(body, len);

	if (error)
		log_debug("docker at '%s': container '%s': %s", q->docker->r.path, q->id, error);
	else if (!put_list(q->docker, list, false))
		garbage(q->docker, "the answer about a container");
	cJSON_Delete(list);
	question_free(q);
}

/* Docker does not answer the inspection of a container while it starts it; the list it always answers. */
static void ask(struct docker *d, const char *id, bool inspect, bool urgent)
{
	struct http_handler handler = { .done = inspect ? inspect_done : find_done };
	char path[ID_MAX + 64];
	struct question *q;

	if (d->nquestions >= QUESTIONS_MAX || strspn(id, "0123456789abcdef") != strlen(id) || strlen(id) >= ID_MAX)
		return;
	q = calloc(1, sizeof(*q));
	if (!q)
		return;
	q->docker = d;
	strcpy(q->id, id);
	if (inspect)
		snprintf(path, sizeof(path), "/containers/%s/json", id);
	else /* ?all=1&filters={"id":["ID"]} */
		snprintf(path, sizeof(path), "/containers/json?all=1&filters=%%7B%%22id%%22%%3A%%5B%%22%s%%22%%5D%%7D",
			 id);
	handler.arg = q;
	q->request = http_get(d->r.http, d->r.path, path, &handler, urgent);
	if (!q->request) {
		free(q);
		return;
	}
	q->next = d->questions;
	d->questions = q;
	d->nquestions++;
	container_store_asking(d->r.store, NULL, id);
}

static void list_done(void *arg, const char *error, long status, const char *body, size_t len)
{
	struct docker *d = arg;
	cJSON *list = error ? NULL : pool_parse_json(body, len);

	d->list = NULL;
	if (error) {
		runtime_lost(&d->r, error);
		return;
	}
	if (!put_list(d, list, true)) {
		runtime_lost(&d->r, "its list of containers is not JSON as it should be");
		cJSON_Delete(list);
		return;
	}
	cJSON_Delete(list);
	runtime_ready(&d->r);
}

/* An event tells name and image of the container, and between them its labels, but for those that are called like these. */
static void put_attributes(struct docker *d, const char *id, const cJSON *attributes)
{
	static const char *const no_labels[] = { "name", "image", "oldName" };
	struct container_facts f = { .rank = rank_of(d), .user = d->r.user, .id = id, .some_labels = true };
	const int n = cJSON_IsObject(attributes) ? cJSON_GetArraySize(attributes) : 0;
	struct label *labels = calloc((size_t)n + 1, sizeof(*labels));
	const cJSON *item;

	f.name = text_of(attributes, "name");
	f.image = text_of(attributes, "image");
	f.labels = labels;
	if (!labels || !f.name) {
		free(labels);
		return;
	}
	cJSON_ArrayForEach(item, attributes) {
		bool label = item->string && cJSON_IsString(item);

		for (size_t i = 0; label && i < sizeof(no_labels) / sizeof(no_labels[0]); i++)
			label = strcmp(item->string, no_labels[i]) != 0;
		if (label)
			labels[f.nlabels++] = (struct label){ item->string, item->valuestring };
	}
	container_store_put(d->r.store, &f);
	free(labels);
}

static void event_line(void *arg, const char *text, size_t len)
{
	struct docker *d = arg;
	cJSON *o = pool_parse_json(text, len);
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
		if (may_change(d, id))
			container_store_gone(d->r.store, NULL, id);
	} else if (strcmp(action, "die") == 0) {
		if (may_change(d, id))
			container_store_stopped(d->r.store, NULL, id);
	} else if (strcmp(action, "create") == 0 || strcmp(action, "start") == 0 || strcmp(action, "rename") == 0) {
		/* From "create" on, its name is known before its first process runs; the list tells all of its labels. */
		put_attributes(d, id, cJSON_GetObjectItemCaseSensitive(actor, "Attributes"));
		ask(d, id, strcmp(action, "create") != 0, false);
	}
	cJSON_Delete(o);
}

static void events_done(void *arg, const char *error, long status, const char *body, size_t len)
{
	struct docker *d = arg;

	d->events = NULL;
	runtime_lost(&d->r, error ? error : "its stream of events ended");
}

static int check_socket(const struct runtime *r)
{
	struct local_file file;
	int fd, err = 0;

	if (http_is_tcp(r->path))
		return 0;
	if (strlen(r->path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return -ENAMETOOLONG;
	fd = r->user ? user_socket_find(r->path) : local_open(r->path);
	if (fd < 0)
		return fd;
	if (local_look(fd, &file) || file.type != S_IFSOCK)
		err = -ENOTSOCK;
	/* libcurl would not say why. glibc before 2.33 asks for another user's rights. */
	else if (syscall(SYS_faccessat2, fd, "", W_OK, AT_EACCESS | AT_EMPTY_PATH) < 0 && errno == EACCES)
		err = -EACCES;
	close(fd);
	return err;
}

static int docker_open(struct runtime *r)
{
	struct docker *d = (struct docker *)r;
	int err = check_socket(r);

	if (!err)
		err = http_open(r->http);
	if (err)
		return err;
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
		ask((struct docker *)r, id, false, true);
}

static void docker_close(struct runtime *r)
{
	struct docker *d = (struct docker *)r;

	http_cancel(d->events);
	http_cancel(d->list);
	d->events = d->list = NULL;
	while (d->questions) {
		http_cancel(d->questions->request);
		question_free(d->questions);
	}
}

const struct runtime_ops docker_ops = {
	.name = "docker",
	.size = sizeof(struct docker),
	.open = docker_open,
	.ask = docker_ask,
	.close = docker_close,
};
