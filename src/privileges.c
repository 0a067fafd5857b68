/* SPDX-License-Identifier: BSD-3-Clause */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "options_value.h"
#include "util/caps.h"
#include "util/log.h"

enum { GROUPS_MAX = 65536, NOBODY = 65534 };

/* --- whom ---------------------------------------------------------------------- */

static bool id_of_env(const char *name, uint32_t *ret)
{
	const char *text = getenv(name);
	int64_t n;

	if (!text || parse_int(text, 1, UINT32_MAX - 1, &n))
		return false;
	*ret = (uint32_t)n;
	return true;
}

/* Only the file is asked: both are local users, and a directory service may be slow. */
static void find_system_user(struct privileges_user *u)
{
	FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *pw;

	u->uid = u->gid = NOBODY;
	strcpy(u->name, "nobody");
	while (f && (pw = fgetpwent(f))) {
		const bool tcpdump = strcmp(pw->pw_name, "tcpdump") == 0;

		if ((!tcpdump && strcmp(pw->pw_name, "nobody") != 0) || pw->pw_uid == 0)
			continue;
		u->uid = pw->pw_uid;
		u->gid = pw->pw_gid;
		if (tcpdump) {
			strcpy(u->name, "tcpdump");
			break;
		}
	}
	if (f)
		fclose(f);
}

/* A container's root may not. */
static bool may_change(void)
{
	const uint64_t needed = caps_bit(CAP_SETUID) | caps_bit(CAP_SETGID);
	struct caps caps;

	return caps_get(&caps) == 0 && (caps.effective & needed) == needed;
}

struct privileges_user privileges_user(const struct options *o)
{
	struct privileges_user u = { .asked = o->user != NULL };
	const char *name = getenv("SUDO_USER");

	if (geteuid() != 0)
		return u;
	if (u.asked) {
		snprintf(u.name, sizeof(u.name), "%s", o->user);
		u.uid = o->user_uid;
		u.gid = o->user_gid;
		u.drop = u.uid != 0;
		return u;
	}
	/* Whoever gives -z and no -Z lets that program do as root what root may. */
	if (o->file.command || !may_change())
		return u;
	u.drop = true;
	if (id_of_env("SUDO_UID", &u.uid) && id_of_env("SUDO_GID", &u.gid))
		snprintf(u.name, sizeof(u.name), "%s", name ? name : "the user of sudo");
	else
		find_system_user(&u);
	return u;
}

/* --- what is kept --------------------------------------------------------------- */

/* In effect all the time. */
static uint64_t effective(const struct privileges_keep *keep, uint64_t permitted)
{
	const uint64_t bpf = caps_bit(CAP_PERFMON_NR) | caps_bit(CAP_BPF_NR);
	uint64_t caps = 0;

	if (keep->capture) {
		caps |= caps_bit(CAP_NET_ADMIN) | caps_bit(CAP_NET_RAW) | caps_bit(CAP_SYS_PTRACE) | bpf;
		/* It stands for both where a container gives no others. */
		if ((permitted & bpf) != bpf)
			caps |= caps_bit(CAP_SYS_ADMIN);
	}
	if (keep->netns)
		caps |= caps_bit(CAP_SYS_ADMIN);
	/* Docker's names of namespaces are in a folder of root's. */
	if (keep->netns || keep->folders)
		caps |= caps_bit(CAP_DAC_READ_SEARCH);
	if (keep->command)
		caps |= caps_bit(CAP_KILL);
	return caps & permitted;
}

/* In effect only between caps_raise() and caps_lower(). */
static uint64_t now_and_then(const struct privileges_keep *keep)
{
	uint64_t caps = 0;

	if (keep->new_files || keep->containers)
		caps |= caps_bit(CAP_DAC_OVERRIDE) | caps_bit(CAP_DAC_READ_SEARCH);
	return caps;
}

/* What not even a setuid program could bring back. Our own command was forked earlier: it may do as it likes. */
static void forbid_new_privileges(uint64_t kept)
{
	/* Becoming another user made all of them ineffective. */
	caps_raise(CAP_SETPCAP);
	for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
		if (!(kept & caps_bit(cap)))
			prctl(PR_CAPBSET_DROP, cap);
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int keep_capabilities(const struct privileges_keep *keep)
{
	struct caps caps;
	int err = caps_get(&caps);

	if (err)
		return err;
	caps.effective = effective(keep, caps.permitted);
	caps.permitted &= caps.effective | now_and_then(keep);
	if (!keep->programs)
		forbid_new_privileges(caps.permitted);
	err = caps_set(&caps);
	/* Else our own folder in /proc belongs to root from now on, and the namespaces in it cannot be opened. */
	if (!err && keep->capture && prctl(PR_SET_DUMPABLE, 1))
		err = -errno;
	return err;
}

/* --- the drop -------------------------------------------------------------------- */

/* All or nothing: the user may not exist in our namespace. */
static int become(const struct privileges_user *u)
{
	const gid_t gid = getegid();
	int n = getgroups(0, NULL), err;
	gid_t *groups = calloc(n > 0 ? (size_t)n : 1, sizeof(*groups));

	if (!groups)
		return -ENOMEM;
	n = n > 0 && n <= GROUPS_MAX ? getgroups(n, groups) : 0;
	if (u->asked ? initgroups(u->name, u->gid) : setgroups(1, &u->gid)) {
		err = -errno;
		goto out;
	}
	err = 0;
	if (setresgid(u->gid, u->gid, u->gid) || prctl(PR_SET_KEEPCAPS, 1) || setresuid(u->uid, u->uid, u->uid)) {
		err = -errno;
		if (setresgid(gid, gid, gid) || setgroups(n > 0 ? (size_t)n : 0, groups))
			err = -EPERM;
		prctl(PR_SET_KEEPCAPS, 0);
	}
out:
	free(groups);
	return err;
}

void privileges_say(const struct privileges_user *user)
{
	/* As tcpdump says it of -Z root, too. */
	if (user->asked)
		fprintf(stderr, "dropped privs to %s\n", user->name);
	else if (user->drop && geteuid() == user->uid)
		log_info("going on as user '%s' (uid %u)", user->name, user->uid);
}

static int become_or_stay(const struct privileges_user *user, const struct privileges_keep *keep)
{
	int err = become(user);

	if (err && !user->asked) {
		log_info("going on as root: can't change to user '%s' (uid %u, gid %u): %s", user->name, user->uid,
			 user->gid, strerror(-err));
		return 0;
	}
	if (!err)
		err = keep_capabilities(keep);
	if (err)
		log_error("can't change to user '%s' (uid %u, gid %u): %s", user->name, user->uid, user->gid,
			  strerror(-err));
	return err;
}

int privileges_drop(const struct privileges_user *user, const struct privileges_keep *keep)
{
	const int err = user->drop ? become_or_stay(user, keep) : 0;

	if (!err && !keep->quiet)
		privileges_say(user);
	return err;
}

int privileges_drop_all(const struct privileges_user *user)
{
	struct privileges_user u = *user;
	int err = 0;

	/* Who stays root for the sake of the rest of the run. */
	if (!u.drop && geteuid() == 0 && may_change()) {
		find_system_user(&u);
		u.drop = true;
		u.asked = false;
	}
	if (u.drop)
		err = become(&u);
	if (err && u.asked)
		return err;
	err = caps_clear();
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	/* What runs as the same user cannot look into it. */
	if (!err && prctl(PR_SET_DUMPABLE, 0))
		err = -errno;
	return err;
}
