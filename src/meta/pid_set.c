/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/pid_set.h"

#include <stdlib.h>

#include "annotation.h"

enum { WORD_BITS = 64 };

/* Its place among the bits; that of pid 0, which nobody has, when there is no such pid. */
static uint32_t slot_of(uint32_t pid)
{
	const uint32_t number = pid & ~PID_OUTSIDE;

	if (number >= PID_LIMIT)
		return 0;
	return pid & PID_OUTSIDE ? PID_LIMIT + number : number;
}

uint64_t *pid_set_new(void)
{
	return calloc(2 * PID_LIMIT / WORD_BITS, sizeof(uint64_t));
}

void pid_set_add(uint64_t *set, uint32_t pid)
{
	const uint32_t slot = slot_of(pid);

	if (slot)
		set[slot / WORD_BITS] |= UINT64_C(1) << slot % WORD_BITS;
}

bool pid_set_has(const uint64_t *set, uint32_t pid)
{
	const uint32_t slot = slot_of(pid);

	return set[slot / WORD_BITS] >> slot % WORD_BITS & 1;
}

void pid_set_remove(uint64_t *set, uint32_t pid)
{
	const uint32_t slot = slot_of(pid);

	/* Most are not in it: their memory is not touched. */
	if (pid_set_has(set, pid))
		set[slot / WORD_BITS] &= ~(UINT64_C(1) << slot % WORD_BITS);
}
