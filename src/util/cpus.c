/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/cpus.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/fd.h"

#define CPUS_MAX 65536
#define PRESENT "/sys/devices/system/cpu/present"

unsigned cpus_list_end(const char *list)
{
	const size_t n = strcspn(list, "\n");
	size_t begin = n;
	unsigned long cpu;

	while (begin > 0 && list[begin - 1] >= '0' && list[begin - 1] <= '9')
		begin--;
	if (begin == n)
		return 0;
	cpu = strtoul(list + begin, NULL, 10);
	return cpu < CPUS_MAX ? (unsigned)cpu + 1 : 0;
}

unsigned cpus_end(void)
{
	const int fd = open(PRESENT, O_RDONLY | O_CLOEXEC);
	char list[4096];

	if (fd < 0)
		return 0;
	fd_read_text(fd, list, sizeof(list));
	close(fd);
	return cpus_list_end(list);
}
