/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/refusal.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture/backend.h"
#include "capture/kernel.h"
#include "capture/permissions.h"
#include "util/log.h"

#define LOCKDOWN "/sys/kernel/security/lockdown"

/* Where it is not mounted, programs have said that they may not read memory. */
static bool locked_down(void)
{
	char text[128] = "";
	FILE *f = fopen(LOCKDOWN, "re");

	if (!f)
		return true;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return strstr(text, "[confidentiality]") != NULL;
}

/* As many as a trial takes: without them, each fails. */
static bool descriptors_left(void)
{
	int fds[4], n = 0;

	while (n < 4 && (fds[n] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0)
		n++;
	for (int i = 0; i < n; i++)
		close(fds[i]);
	return n == 4 || errno != EMFILE;
}

const char *refusal_find(void)
{
	if (!descriptors_left())
		return strerror(EMFILE);
	if (!kernel_has(KERNEL_FIRST_USERNS))
		return "this is a user namespace (unshare -U, a container without root), whose root may load no eBPF: run it as "
		       "root of the host";
	if (permissions_lack_programs())
		return "CAP_BPF, CAP_PERFMON or CAP_NET_ADMIN is missing: run it as root";
	if (!kernel_has(KERNEL_BPF_CALLS))
		return "a seccomp filter refuses bpf(2): have who set it allow bpf, as \"docker run --security-opt "
		       "seccomp=unconfined\" or SystemCallFilter= of systemd do";
	if (!kernel_has(KERNEL_MEMORY))
		return locked_down()
			       ? "the kernel is locked down (confidentiality), and eBPF may not read its memory: boot with "
				 "lockdown=integrity, see " LOCKDOWN " and kernel_lockdown(7)"
			       : "eBPF may not read the kernel's memory: a security module refuses it";
	if (!kernel_has(KERNEL_SOCKET_FILTER))
		return "a security module or a seccomp filter refuses socket filters, by which libbpf finds out what the kernel has";
	return NULL;
}

bool refusal_is(int err)
{
	return err == -EPERM || err == -EACCES || err == -ENOSYS || err == -EINVAL;
}

const char *refusal_why(int err)
{
	const char *why = refusal_is(err) ? refusal_find() : NULL;

	return why ? why : strerror(-err);
}

bool refusal_say(const char *what, const char *else_why)
{
	const char *why = refusal_find(), *other = backend_without_bpf();

	if (!why)
		why = else_why;
	if (!why)
		return false;
	if (backend_find(other)->missing())
		log_error("%s: %s", what, why);
	else
		log_error("%s: %s; or use --backend %s, which looks processes up in /proc", what, why, other);
	return true;
}
