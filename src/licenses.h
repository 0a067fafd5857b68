/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LICENSES_H
#define LICENSES_H

/* Prints LICENSE, NOTICE and the texts in LICENSES to stdout; -1: that failed, which has been said. */
int licenses_print(void);

#endif
