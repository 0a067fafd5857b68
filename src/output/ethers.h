/* SPDX-License-Identifier: BSD-3-Clause */
/* ethers(5): names of Ethernet addresses, all read at once. ether_ntohost() opens the file for each address. */
#ifndef OUTPUT_ETHERS_H
#define OUTPUT_ETHERS_H

#include <stdint.h>
#include <stdio.h>

struct ethers;

/* f may be NULL: there is no such file. -ENOMEM. */
int ethers_new(struct ethers **ret, FILE *f);
/* Of 6 bytes; the first name in the file. NULL: none. */
const char *ethers_find(const struct ethers *e, const uint8_t *address);
void ethers_free(struct ethers *e);

#endif
