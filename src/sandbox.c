/* SPDX-License-Identifier: BSD-3-Clause */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_filter.h"
#include "util/caps.h"
#include "util/log.h"

#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* --- Landlock: what files, ports and processes can be reached ------------------------ */

/* <linux/landlock.h> came with 5.13. */
enum {
	LANDLOCK_CREATE = 444,
	LANDLOCK_ADD_RULE = 445,
	LANDLOCK_RESTRICT = 446,
	LANDLOCK_VERSION = 1,	   /* flag of LANDLOCK_CREATE: asks for the ABI */
	LANDLOCK_PATH_BENEATH = 1, /* type of LANDLOCK_ADD_RULE */
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	NET_BIND_TCP = 1 << 0,
	NET_CONNECT_TCP = 1 << 1,
	SCOPE_ABSTRACT_UNIX = 1 << 0,
	SCOPE_SIGNAL = 1 << 1,
};

struct landlock_ruleset {
	uint64_t files, net, scoped;
};

struct landlock_path {
	uint64_t allowed;
	int32_t folder;
} __attribute__((packed));

/* How many kinds of access to files an ABI knows: later ones brought REFER, TRUNCATE and IOCTL_DEV. */
static unsigned file_accesses(int abi)
{
	static const unsigned char known[] = { [1] = 13, [2] = 14, [3] = 15, [4] = 15, [5] = 16 };

	return known[abi < 5 ? abi : 5];
}

/* How much of the structure an ABI knows. */
static size_t ruleset_size(int abi)
{
	return abi < 4 ? sizeof(uint64_t) : abi < 6 ? 2 * sizeof(uint64_t) : 3 * sizeof(uint64_t);
}

/* False: not every system has each of them. */
static bool allow_reading(int ruleset, const char *path)
{
	const int folder = open(path, O_PATH | O_CLOEXEC);
	const struct landlock_path rule = { FS_READ_FILE | FS_READ_DIR, folder };

	if (folder < 0)
		return false;
	syscall(LANDLOCK_ADD_RULE, ruleset, LANDLOCK_PATH_BENEATH, &rule, 0);
	close(folder);
	return true;
}

/* What the C library and its modules read to find names. */
static void allow_system_files(int ruleset)
{
	static const char *const folders[] = { "/etc", "/usr",	       "/lib",	     "/lib64",
					       "/run", "/var/lib/sss", "/nix/store", "/gnu/store" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		allow_reading(ruleset, folders[i]);
}

/* The ABI that is in force; 0: the kernel has no Landlock, or it is switched off. */
static int enter_landlock(unsigned filter)
{
	const long abi = syscall(LANDLOCK_CREATE, NULL, 0, LANDLOCK_VERSION);
	struct landlock_ruleset attr = { .scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL };
	int ruleset, err;

	if (abi < 1)
		return 0;
	attr.files = (UINT64_C(1) << file_accesses((int)abi)) - 1;
	attr.net = NET_BIND_TCP | (filter & SANDBOX_NAMES ? 0 : NET_CONNECT_TCP);
	ruleset = (int)syscall(LANDLOCK_CREATE, &attr, ruleset_size((int)abi), 0);
	if (ruleset < 0)
		return 0;
	if (filter & SANDBOX_NAMES)
		allow_system_files(ruleset);
	/* The search for leaks must not fail for want of a descriptor. */
	err = filter & SANDBOX_LEAKS && !allow_reading(ruleset, "/");
	if (!err)
		err = (int)syscall(LANDLOCK_RESTRICT, ruleset, 0);
	close(ruleset);
	return err ? 0 : (int)abi;
}

/* --- seccomp: the system calls --------------------------------------------------- */

static int enter_seccomp(unsigned filter)
{
	const size_t n = sandbox_filters[filter].n;
	struct sock_filter code[SANDBOX_INSNS_MAX];
	const struct sock_fprog program = { (unsigned short)n, code };
	/* Before 5.16 the kernel would else forbid the processor to guess addresses, which is slow: we run no code of others. */
	const unsigned flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW;

	for (size_t i = 0; i < n; i++) {
		code[i] = sandbox_filters[filter].code[i];
		if (code[i].k == SANDBOX_SELF)
			code[i].k = (uint32_t)getpid();
	}
	/* Positive: the thread that has filters of its own. */
	switch (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program)) {
	case 0: return 0;
	case -1: return -errno;
	default: return -EBUSY;
	}
}

int sandbox_enter(const struct sandbox_config *config)
{
	const bool leaks = SANITIZED && !config->strict;
	const unsigned filter = (config->names ? SANDBOX_NAMES : 0) | (leaks ? SANDBOX_LEAKS : 0);
	const char *loose = leaks ? " (loose, for AddressSanitizer)" : "";
	int err = caps_clear(), abi;

	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	abi = err ? 0 : enter_landlock(filter);
	if (!err)
		err = enter_seccomp(filter);
	if (err) {
		log_error("can't enter the sandbox: %s: where it cannot be had, --no-sandbox goes on without",
			  strerror(-err));
		return err;
	}
	if (!config->quiet && abi)
		log_info("sandbox: seccomp%s and Landlock ABI %d", loose, abi);
	else if (!config->quiet)
		log_info("sandbox: seccomp%s, without Landlock", loose);
	return 0;
}
