/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NSEC_PER_USEC UINT64_C(1000)
#define NSEC_PER_MSEC UINT64_C(1000000)
#define NSEC_PER_SEC UINT64_C(1000000000)

/* Nanoseconds of a clock (clock_gettime(2)). */
uint64_t clock_ns(clockid_t clock);

#endif
