/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_DEVICE_H
#define UTIL_DEVICE_H

/*
 * What a network device is: ARPHRD_* of linux/if_arp.h, or -errno. The device is one of the namespace that we are in,
 * which need not be the one that /sys shows.
 */
int device_type(const char *name);

#endif
