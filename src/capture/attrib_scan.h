/* SPDX-License-Identifier: BSD-3-Clause */
/* What /proc tells at the start. Private to attrib*.c. All return 0 or a negative errno and log nothing. */
#ifndef CAPTURE_ATTRIB_SCAN_H
#define CAPTURE_ATTRIB_SCAN_H

#include "capture/capture.h"

/* Puts living processes into ptcp_pids: those that bear one of config->pnames, and with config->follow_forks the
 * descendants of all that match, or with neither pids nor names those of the users. */
int scan_filter_pids(int pids_fd, const struct capture_config *config);
/* Without an iterator over sockets: owners from /proc/PID/fd, cookies from sock_diag in every network namespace. */
int scan_sockets(int cookies_fd);

#endif
