/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What libnetdissect calls instead of functions that open files and sockets (CLOSED in deps/deps.mk): all that it can get
 * is there before the first packet. What is kept here is not in struct text since such a function is told of no text.
 */
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "output/esp_files.h"
#include "output/text_private.h"

enum { OPENED_MAX = 64 };

struct ether_addr;

static const struct esp_files *esp_files;
static unsigned opened;
static int iface_socket = -1;

FILE *closed_fopen(const char *path, const char *mode);
struct hostent *closed_gethostbyaddr(const void *address, socklen_t size, int family);
int closed_ether_ntohost(char *name, const struct ether_addr *address);
struct rpcent *closed_getrpcbynumber(int number);
char *closed_if_indextoname(unsigned index, char *name);
const EVP_CIPHER *closed_EVP_get_cipherbyname(const char *name);

void library_files(const struct esp_files *files)
{
	esp_files = files;
	opened = 0;
}

/* Only what -E names. A file may name itself. */
FILE *closed_fopen(const char *path, const char *mode)
{
	size_t size;
	const char *text = esp_files_find(esp_files, path, &size);

	errno = ENOENT;
	if (!text)
		return NULL;
	errno = ELOOP;
	return opened++ < OPENED_MAX ? fmemopen((void *)(uintptr_t)text, size, "r") : NULL;
}

/* Of functions that netdissect_names.c replaces: nobody calls them. */
struct hostent *closed_gethostbyaddr(const void *address, socklen_t size, int family)
{
	return NULL;
}

int closed_ether_ntohost(char *name, const struct ether_addr *address)
{
	return -1;
}

/* Where the library was built with Sun's RPC: names of port mapper's programs, which print as numbers elsewhere. */
struct rpcent *closed_getrpcbynumber(int number)
{
	return NULL;
}

/* Any socket will do: one that nothing can be sent with unless it is connected. */
void library_ifaces(bool on)
{
	if (on && iface_socket < 0)
		iface_socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!on && iface_socket >= 0) {
		close(iface_socket);
		iface_socket = -1;
	}
}

/* LINUX_SLL2 holds numbers of interfaces, some of which are still to come. */
char *closed_if_indextoname(unsigned index, char *name)
{
	struct ifreq ifr = { .ifr_ifindex = (int)index };

	if (ioctl(iface_socket, SIOCGIFNAME, &ifr))
		return NULL;
	return strncpy(name, ifr.ifr_name, IF_NAMESIZE);
}

/*
 * With the first use OpenSSL reads its configuration and loads what that asks for. Ciphers that it knows by name only, since
 * their provider is not loaded, count as unknown: libnetdissect would divide by their size of a block, which is 0.
 */
const EVP_CIPHER *closed_EVP_get_cipherbyname(const char *name)
{
	static const unsigned char zero[EVP_MAX_KEY_LENGTH];
	const EVP_CIPHER *cipher = EVP_get_cipherbyname(name);
	EVP_CIPHER_CTX *ctx = cipher ? EVP_CIPHER_CTX_new() : NULL;
	const bool usable = ctx && EVP_DecryptInit_ex(ctx, cipher, NULL, zero, zero) == 1;

	EVP_CIPHER_CTX_free(ctx);
	return usable ? cipher : NULL;
}
