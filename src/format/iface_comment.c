/* SPDX-License-Identifier: BSD-3-Clause */
#include "format/iface_comment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char own_path[] = "/proc/self/ns/net";
static const char path_key[] = ", netNsPath: ", name_key[] = ", netNsName: ";

/* A name that others gave may hold it, too, and comes before it. */
static const char *last_of(const char *text, const char *key)
{
	const char *found = NULL;

	while ((text = strstr(text, key)))
		found = text++;
	return found;
}

bool iface_comment_names(const struct iface *iface)
{
	return iface->ifindex && iface->netns && iface->netns_name && (iface->netns_path || !iface->other_netns);
}

/*
 * "ifIndex: 2, netNsInode: 4026532300, netNsName: blue, netNsPath: /run/netns/blue". The path of a foreign namespace may
 * be unknown, and the name is there only if it is printed.
 */
bool iface_comment_write(const struct iface *iface, char text[IFACE_COMMENT_SIZE])
{
	const char *path = iface->netns_path;
	int n;

	if (!iface->ifindex)
		return false;
	if (!path && !iface->other_netns)
		path = own_path;
	n = snprintf(text, IFACE_COMMENT_SIZE, "ifIndex: %" PRIu32, iface->ifindex);
	if (!iface->netns)
		return true;
	n += snprintf(text + n, IFACE_COMMENT_SIZE - (size_t)n, ", netNsInode: %" PRIu32, iface->netns);
	if (iface_comment_names(iface))
		n += snprintf(text + n, IFACE_COMMENT_SIZE - (size_t)n, "%s%.*s", name_key, NAME_MAX,
			      iface->netns_name);
	if (path)
		snprintf(text + n, IFACE_COMMENT_SIZE - (size_t)n, "%s%.*s", path_key, PATH_MAX, path);
	return true;
}

static int replace(char **s, const char *text, size_t n)
{
	free(*s);
	*s = strndup(text, n);
	return *s ? 0 : -ENOMEM;
}

int iface_comment_parse(struct iface *iface, const uint8_t *p, size_t n)
{
	char text[IFACE_COMMENT_SIZE];
	const char *path, *name;
	uint32_t ifindex, netns = 0;
	int err = 0;

	if (n >= sizeof(text))
		return 0;
	memcpy(text, p, n);
	text[n] = '\0';
	if (sscanf(text, "ifIndex: %" SCNu32 ", netNsInode: %" SCNu32, &ifindex, &netns) < 1)
		return 0;
	iface->ifindex = ifindex;
	iface->netns = netns;
	path = last_of(text, path_key);
	name = strstr(text, name_key);
	if (path && name && name < path) {
		name += strlen(name_key);
		err = replace(&iface->netns_name, name, (size_t)(path - name));
	}
	if (path && !err)
		err = replace(&iface->netns_path, path + strlen(path_key), strlen(path) - strlen(path_key));
	iface->other_netns = netns && (!iface->netns_path || strcmp(iface->netns_path, own_path) != 0);
	return err;
}
