/* SPDX-License-Identifier: BSD-3-Clause */
/* Static build only. glibc loads the machine's NSS modules even into a static program, and one built for another glibc
 * crashes it: answer from files and DNS instead. Users and hosts known only to LDAP, sssd or the like stay numbers. */
#include <nss.h>
#include <stddef.h>

__attribute__((constructor)) static void nss_use_builtin(void)
{
	static const char *const databases[] = { "passwd", "group", "services", "protocols", "networks", "ethers" };

	for (size_t i = 0; i < sizeof(databases) / sizeof(databases[0]); i++)
		__nss_configure_lookup(databases[i], "files");
	__nss_configure_lookup("hosts", "files dns");
}
