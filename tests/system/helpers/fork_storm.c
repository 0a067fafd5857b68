/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork_storm ADDRESS PORT PER_SECOND SECONDS: so many processes, each of which sends a datagram with its pid and ends. Prints how
 * many did.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int child(const struct sockaddr_in *to)
{
	const uint32_t pid = (uint32_t)getpid();
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);

	return sendto(fd, &pid, sizeof(pid), 0, (const struct sockaddr *)to, sizeof(*to)) == sizeof(pid) ? 0 : 1;
}

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	unsigned long per_second, all, sent = 0;
	int64_t start;
	int status;

	if (argc != 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 2;
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	per_second = strtoul(argv[3], NULL, 10);
	all = per_second * strtoul(argv[4], NULL, 10);
	start = now();
	for (unsigned long i = 0; i < all; i++) {
		const int64_t ahead = (int64_t)(i * 1000000000 / per_second) - (now() - start);
		const pid_t pid = fork();

		if (pid == 0)
			_exit(child(&to));
		if (pid < 0) {
			perror("fork");
			return 1;
		}
		if (ahead > 0)
			nanosleep(&(struct timespec){ .tv_nsec = ahead % 1000000000 }, NULL);
		while (waitpid(-1, &status, WNOHANG) > 0)
			sent += status == 0;
	}
	while (waitpid(-1, &status, 0) > 0)
		sent += status == 0;
	printf("%lu\n", sent);
	return 0;
}
