/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes through the socket (SOCK_SEQPACKET) between who prints and the process that looks names up: one question or
 * answer a message. Neither believes the other, since both read what strangers send. */
#ifndef OUTPUT_RESOLVER_WIRE_H
#define OUTPUT_RESOLVER_WIRE_H

#include <stdint.h>

enum {
	RESOLVER_PENDING_MAX = 256, /* questions without an answer */
	RESOLVER_NAME_MAX = 255,    /* of the DNS; longer ones, which /etc/hosts may have, are cut */
};

struct resolver_question {
	uint32_t id;
	uint32_t family;     /* AF_INET or AF_INET6 */
	uint8_t address[16]; /* network order */
};

/* As long as the name is. */
struct resolver_answer {
	uint32_t id;
	char name[RESOLVER_NAME_MAX]; /* without a NUL; none: it has no name */
};

#endif
