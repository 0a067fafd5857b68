/* SPDX-License-Identifier: BSD-3-Clause */
/* What extcap(4) is told of us: sentences, one a line, as "arg {number=0}{call=--pname}...". */
#ifndef EXTCAP_CONFIG_H
#define EXTCAP_CONFIG_H

#include "util/buf.h"

#define EXTCAP_INTERFACE "ptcpdump"

void extcap_put_interfaces(struct buf *b);
void extcap_put_dlts(struct buf *b);
/* The fields of the interface's dialogue, whose calls are options of ours. reload: of this option only what may be chosen now;
 * NULL: all. */
void extcap_put_config(struct buf *b, const char *reload);
enum extcap_field { FIELD_NONE, FIELD_VALUE, FIELD_FLAG };
/* Whether a field's call is this option of ours, named without "--", and whether it takes a value. */
enum extcap_field extcap_field(const char *option);

#endif
