/* SPDX-License-Identifier: BSD-3-Clause */
/* libcurl brings some 30 libraries with it, 4 ms of each start: only who needs it loads it. */
#ifndef UTIL_LIBCURL_H
#define UTIL_LIBCURL_H

#include <curl/curl.h>
#include <stdbool.h>

#define LIBCURL_FUNCTIONS(X)                                                                                           \
	X(global_init)                                                                                                 \
	X(global_cleanup)                                                                                              \
	X(version_info)                                                                                                \
	X(easy_init)                                                                                                   \
	X(easy_setopt)                                                                                                 \
	X(easy_getinfo)                                                                                                \
	X(easy_perform)                                                                                                \
	X(easy_strerror)                                                                                               \
	X(easy_cleanup)                                                                                                \
	X(multi_init)                                                                                                  \
	X(multi_setopt)                                                                                                \
	X(multi_assign)                                                                                                \
	X(multi_add_handle)                                                                                            \
	X(multi_remove_handle)                                                                                         \
	X(multi_socket_action)                                                                                         \
	X(multi_info_read)                                                                                             \
	X(multi_cleanup)

/* Its functions, without "curl_". */
struct libcurl {
#define LIBCURL_MEMBER(name) __typeof__(curl_##name) *name;
	LIBCURL_FUNCTIONS(LIBCURL_MEMBER)
#undef LIBCURL_MEMBER
};

enum { LIBCURL_WHY = 256 };

/* Loads and initialises it. 0, -ENOMEM; -ELIBACC: it is not installed, or too old. why: what is wrong then, and what cures it.
 * SSLKEYLOGFILE is the command's business: libcurl would make that file, and write our own secrets to it, so the variable is
 * hidden meanwhile. */
int libcurl_open(struct libcurl **ret, char why[LIBCURL_WHY]);
/* It is set: once there are threads it is too late. */
bool libcurl_before_threads(void);
/* NULL is fine. */
void libcurl_close(struct libcurl *curl);

#endif
