/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes through the socket (SOCK_STREAM) between who reads files and the process outside of the sandbox (session_broker.h),
 * which believes nothing that it reads here. */
#ifndef SESSION_BROKER_WIRE_H
#define SESSION_BROKER_WIRE_H

#include <stdbool.h>
#include <stdint.h>

enum broker_question_kind { ASK_FILE, ASK_INPUT, ASK_COMPILE };

struct broker_question {
	uint32_t kind;
	uint32_t step; /* ASK_FILE: enum file_step */
	/* ASK_COMPILE: of struct filter_compile_opts. Bytes, since a bool that is neither false nor true is undefined. */
	int32_t dlt;
	uint32_t snaplen;
	uint8_t no_optimize, swapped;
};

/* Followed by size bytes: a name, instructions, or a message. A descriptor comes with it when fd is set. */
struct broker_answer {
	int32_t err;
	uint32_t size;
	bool fd;
};

#endif
