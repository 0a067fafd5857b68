/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/ether.h>

#include "check.h"
#include "output/ethers.h"

static void test_names(void)
{
	static const char text[] = "# of the office\n"
				   "00:11:22:33:44:55 gate # the first\n"
				   "\n"
				   "0:1:2:a:B:c\tprinter\n"
				   "00:11:22:33:44:55 second\n"
				   "00:11:22:33:44 short\n"
				   "nonsense\n"
				   "00:00:00:00:00:01 last";
	static const struct {
		uint8_t address[6];
		const char *name;
	} cases[] = {
		{ { 0, 0x11, 0x22, 0x33, 0x44, 0x55 }, "gate" },
		{ { 0, 1, 2, 10, 11, 12 }, "printer" },
		{ { 0, 0, 0, 0, 0, 1 }, "last" },
	};
	FILE *f = fmemopen((void *)(uintptr_t)text, sizeof(text) - 1, "r");
	struct ethers *e;

	CHECK_INT(ethers_new(&e, f), 0);
	fclose(f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_STR(ethers_find(e, cases[i].address), cases[i].name);
	CHECK(!ethers_find(e, (const uint8_t[6]){ 0, 0, 0, 0, 0, 2 }));
	ethers_free(e);
}

static void test_no_file(void)
{
	struct ethers *e;

	CHECK_INT(ethers_new(&e, NULL), 0);
	CHECK(!ethers_find(e, (const uint8_t[6]){ 0 }));
	ethers_free(e);
}

int main(void)
{
	RUN(test_names);
	RUN(test_no_file);
	return check_status();
}
