/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_LIBCURL_H
#define UTIL_LIBCURL_H

#include <stdbool.h>

/* curl_global_init(), for which curl_global_cleanup() is owed. SSLKEYLOGFILE is the command's business: libcurl would
 * make that file, and write our own secrets to it. Before there are threads. */
bool libcurl_start(void);

#endif
