/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef OUTPUT_RESOLVER_SERVE_H
#define OUTPUT_RESOLVER_SERVE_H

#include <stdbool.h>

/* Answers the questions that come through fd, by threads of its own; ends the process when the other end is closed or says
 * what is no question. SIGPIPE has to be ignored. short_names: without the domain (-N). */
_Noreturn void resolver_serve(int fd, bool short_names);

#endif
