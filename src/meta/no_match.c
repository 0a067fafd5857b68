/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/no_match.h"

#include "meta/container.h"
#include "meta/container_store.h"
#include "meta/meant.h"
#include "meta/runtimes.h"
#include "util/log.h"

/* The process that holds a pod's namespaces is a container only to its runtime. */
static bool is_sandbox(const struct container_entry *e)
{
	return e->sandbox && strcmp(e->sandbox, e->id) == 0;
}

static bool exists(const struct container_entry *e)
{
	return e->published && container_entry_named(e) && !e->gone_at;
}

static void put_count(struct buf *b, const char *before, size_t n, const char *what)
{
	buf_printf(b, "%s%zu %s%s", before, n, what, n == 1 ? "" : "s");
}

static void put_counts(struct buf *b, struct container_store *store)
{
	size_t containers = 0, pods = 0;

	for (struct container_entry *e = container_store_each(store, NULL); e; e = container_store_each(store, e)) {
		if (exists(e) && is_sandbox(e))
			pods++;
		else if (exists(e))
			containers++;
	}
	put_count(b, ": ", containers, "container");
	if (pods)
		put_count(b, " and ", pods, "pod");
}

/* Which runtimes answer, what they have, and why others do not answer. Whether any does. */
static bool put_runtimes(struct buf *b, struct container_store *store, const struct runtimes *runtimes)
{
	const size_t answer = runtimes_put_ready(runtimes, b);

	buf_puts(b, answer == 0 ? "no container runtime answers" : answer == 1 ? " answers" : " answer");
	if (answer)
		put_counts(b, store);
	runtimes_put_down(runtimes, b);
	return answer;
}

/* Takes m; NULL: no memory. */
static void warn_of_values(struct meant *m, struct container_store *store)
{
	if (!m)
		return;
	for (struct container_entry *e = container_store_each(store, NULL); e; e = container_store_each(store, e)) {
		if (exists(e))
			meant_offer(m, &e->published->desc, &e->published->pod);
	}
	meant_warn(m);
	meant_free(m);
}

void no_match_warn_of_values(const struct containers_config *config, struct container_store *store)
{
	warn_of_values(meant_new(&config->query), store);
}

bool no_match_warn(const struct containers_config *config, struct container_store *store,
		   const struct runtimes *runtimes)
{
	struct buf b = { 0 };
	const bool answer = put_runtimes(&b, store, runtimes);

	log_warn("no container matches yet: waiting for one to start; %.*s", (int)b.len, b.p);
	buf_done(&b);
	no_match_warn_of_values(config, store);
	return answer;
}

bool no_match_warn_of_netns(const struct netns_config *config, struct container_netns *netns,
			    struct container_store *store, const struct runtimes *runtimes)
{
	struct buf missing = { 0 }, b = { 0 };
	bool answer = true;

	if (container_netns_put_missing(netns, &missing)) {
		answer = put_runtimes(&b, store, runtimes);
		log_warn("--netns %.*s: no such container or pod %s; %.*s", (int)missing.len, missing.p,
			 config->waits ? "yet: waiting for one to start" : "runs", (int)b.len, b.p);
		warn_of_values(meant_new_netns(config->containers, config->pods), store);
	}
	buf_done(&missing);
	buf_done(&b);
	return answer;
}
