/* SPDX-License-Identifier: BSD-3-Clause */
/* What somebody who got nothing probably meant: a warning each, so that --log-level error is silent. */
#ifndef HINTS_H
#define HINTS_H

#include "options.h"

/* After a failure: says what an expression that cannot be compiled may have been meant for. */
void hint_expression(const struct options *o);
/* word, where an expression or an option was expected, may be a program that was to be run. */
void hint_command(const char *word);
/* After a capture without packets: the processes of --pid have children, or had (forks: how many in the meantime). */
void hint_children(const struct options *o, uint64_t forks);
/* What a selection finds nothing by in files of which no packet tells more than this, ANNOT_*, behind "no packet of FILE";
 * NULL: nothing is lacking. */
const char *hint_untold(const struct options *o, unsigned told);
/* Likewise: containers that are asked for have network namespaces of their own, which were not looked at. follows: with -i any
 * they are, by this backend. */
void hint_netns(const struct options *o, bool follows);
/* A display filter of Wireshark as an expression of pcap-filter(7); false: it is none, or one that has no such form. */
bool hint_translate(const char *display, char *expr, size_t size);

#endif
