/* SPDX-License-Identifier: BSD-3-Clause */
#include "options_remote.h"

#include <errno.h>
#include <string.h>

#include "util/log.h"

static const char scheme[] = "ssh://";

size_t options_remote_host(const char *remote, const char **name)
{
	const bool uri = strncmp(remote, scheme, sizeof(scheme) - 1) == 0;
	const char *host = uri ? remote + sizeof(scheme) - 1 : remote, *at = strrchr(host, '@');
	size_t n;

	if (at)
		host = at + 1;
	n = strlen(host);
	if (uri && *host == '[')
		n = strcspn(++host, "]");
	else if (uri)
		n = strcspn(host, ":/");
	*name = host;
	return n;
}

const char *options_remote_command(const char *word, const char **name, size_t *n)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	*n = strspn(word, letters);
	*name = *n && word[*n] == '=' ? word : NULL;
	return *name ? word + *n + 1 : word;
}

/* ssh would take it for an option, which may name a program to run. */
static int check_host(const char *remote)
{
	const char *name;
	const size_t n = options_remote_host(remote, &name);

	if (*remote != '-' && n && *name != '-')
		return 0;
	log_error("--remote '%s' is not [USER@]HOST", remote);
	return -EINVAL;
}

static int check_command(const char *word)
{
	const char *name;
	size_t n;

	if (*options_remote_command(word, &name, &n))
		return 0;
	log_error("--remote-command '%s': there is no command behind the name", word);
	return -EINVAL;
}

static size_t name_of(const struct options *o, size_t i, const char **name)
{
	size_t n;

	if (i < o->remotes.n)
		return options_remote_host(o->remotes.v[i], name);
	options_remote_command(o->remote_commands.v[i - o->remotes.n], name, &n);
	return n;
}

/* Interfaces of two hosts could not be told apart. */
static int check_names(const struct options *o)
{
	const char *name, *other;

	for (size_t i = 0; i < o->remotes.n + o->remote_commands.n; i++) {
		const size_t n = name_of(o, i, &name);

		for (size_t k = 0; name && k < i; k++) {
			if (name_of(o, k, &other) != n || !other || memcmp(name, other, n) != 0)
				continue;
			log_error("two remote captures are called '%.*s': name one by --remote-command 'NAME=ssh HOST'",
				  (int)n, name);
			return -EINVAL;
		}
	}
	return 0;
}

static const char *refused_with(const struct options *o)
{
	if (options_offline(o))
		return "-r and -V: packets come from hosts or from files";
	if (o->command)
		return "a command: it would run here, where nothing is captured";
	if (o->keylog_file || o->embed_keylog)
		return "TLS secrets: they are those of a command that is run here";
	if (o->dump)
		return "-d: filters are compiled on the hosts";
	if (o->action != ACTION_NONE)
		return "-D, -L, -J and --backend help: they list what is here; \"ssh HOST ptcpdump -D\" lists what is there";
	return NULL;
}

int options_check_remote(const struct options *o)
{
	const char *other = refused_with(o);
	int err = 0;

	if (!options_remote(o)) {
		if (!o->remote_copy && !o->remote_clock)
			return 0;
		log_error("--remote-%s needs --remote or --remote-command: the hosts that it is for",
			  o->remote_copy ? "copy" : "clock");
		return -EINVAL;
	}
	if (other) {
		log_error("--remote cannot be used with %s", other);
		return -EINVAL;
	}
	for (size_t i = 0; i < o->remotes.n && !err; i++)
		err = check_host(o->remotes.v[i]);
	for (size_t i = 0; i < o->remote_commands.n && !err; i++)
		err = check_command(o->remote_commands.v[i]);
	return err ? err : check_names(o);
}
