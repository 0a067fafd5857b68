/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/ethers.h"

#include <errno.h>
#include <netinet/ether.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 1024 }; /* as long as glibc takes them */

struct ether {
	struct ether_addr address;
	char *name;
};

struct ethers {
	struct ether *v;
	size_t n;
};

static int add(struct ethers *e, const struct ether_addr *address, const char *name)
{
	struct ether *v = reallocarray(e->v, e->n + 1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	e->v = v;
	v[e->n] = (struct ether){ .address = *address, .name = strdup(name) };
	return v[e->n++].name ? 0 : -ENOMEM;
}

int ethers_new(struct ethers **ret, FILE *f)
{
	struct ethers *e = calloc(1, sizeof(*e));
	char line[LINE], name[LINE];
	struct ether_addr address;
	int err = e ? 0 : -ENOMEM;

	while (!err && f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (ether_line(line, &address, name) == 0 && *name)
			err = add(e, &address, name);
	}
	if (err)
		ethers_free(e);
	else
		*ret = e;
	return err;
}

const char *ethers_find(const struct ethers *e, const uint8_t *address)
{
	for (size_t i = 0; i < e->n; i++) {
		if (memcmp(&e->v[i].address, address, sizeof(e->v[i].address)) == 0)
			return e->v[i].name;
	}
	return NULL;
}

void ethers_free(struct ethers *e)
{
	for (size_t i = 0; e && i < e->n; i++)
		free(e->v[i].name);
	if (e)
		free(e->v);
	free(e);
}
