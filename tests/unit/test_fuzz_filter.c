/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs tests/fuzz/filter.c on random input for two seconds. FUZZ_SECONDS, FUZZ_SEED. */
#include <time.h>

#include "../fuzz/filter.c"
#include "check.h"

static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void test_random_programs(void)
{
	const char *seconds = getenv("FUZZ_SECONDS");
	time_t end = time(NULL) + (seconds ? atoi(seconds) : 2);
	uint64_t buf[220];

	while (time(NULL) < end) {
		size_t size = rnd() % sizeof(buf);

		for (size_t i = 0; i <= size / 8; i++)
			buf[i] = rnd();
		if (rnd() % 8) /* mostly short and tame programs with some packet left */
			((uint8_t *)buf)[0] %= 40, ((uint8_t *)buf)[1] |= 1;
		LLVMFuzzerTestOneInput((uint8_t *)buf, size);
	}
}

int main(void)
{
	if (getenv("FUZZ_SEED"))
		seed ^= strtoull(getenv("FUZZ_SEED"), NULL, 0) * 0x2545f4914f6cdd1du;
	RUN(test_random_programs);
	return check_status();
}
