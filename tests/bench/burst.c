/* SPDX-License-Identifier: BSD-3-Clause */
/* burst ADDRESS PORT COUNT SIZE [RATE]: sends COUNT UDP datagrams of SIZE payload bytes, as fast as it can or at RATE per
 * second. Each starts with its sequence number and CLOCK_REALTIME in ns. Prints its own CPU and wall seconds. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, SIZE_MAX_BYTES = 65000 };

struct stamp {
	uint64_t seq, ns;
};

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void pace(uint64_t start, uint64_t sent, uint64_t rate)
{
	const uint64_t due = start + sent * 1000000000ull / rate;
	const uint64_t t = now(CLOCK_MONOTONIC);

	if (due > t) {
		struct timespec wait = { .tv_sec = (time_t)((due - t) / 1000000000ull),
					 .tv_nsec = (long)((due - t) % 1000000000ull) };
		nanosleep(&wait, NULL);
	}
}

static int send_all(int fd, uint64_t count, size_t size, uint64_t rate)
{
	static char data[BATCH][SIZE_MAX_BYTES];
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	const uint64_t start = now(CLOCK_MONOTONIC);
	const unsigned batch = rate > 0 && rate < 1000 * BATCH ? 1 + (unsigned)(rate / 1000) : BATCH;

	memset(msgs, 0, sizeof(msgs));
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ data[i], size };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	for (uint64_t sent = 0; sent < count;) {
		unsigned n = count - sent < batch ? (unsigned)(count - sent) : batch;
		struct stamp stamp = { .ns = now(CLOCK_REALTIME) };
		int r;

		for (unsigned i = 0; i < n; i++) {
			stamp.seq = sent + i;
			memcpy(data[i], &stamp, size < sizeof(stamp) ? size : sizeof(stamp));
		}
		r = sendmmsg(fd, msgs, n, 0);
		if (r < 0 && errno != EINTR && errno != ENOBUFS && errno != ECONNREFUSED)
			return -errno;
		if (r > 0)
			sent += (unsigned)r;
		if (rate > 0)
			pace(start, sent, rate);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct rusage use;
	uint64_t start;
	int fd, err;

	if (argc < 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || strtoul(argv[4], NULL, 10) > SIZE_MAX_BYTES) {
		fprintf(stderr, "usage: burst ADDRESS PORT COUNT SIZE [RATE]\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("burst");
		return 1;
	}
	start = now(CLOCK_MONOTONIC);
	err = send_all(fd, strtoull(argv[3], NULL, 10), strtoul(argv[4], NULL, 10),
		       argc > 5 ? strtoull(argv[5], NULL, 10) : 0);
	if (err < 0) {
		fprintf(stderr, "burst: %s\n", strerror(-err));
		return 1;
	}
	getrusage(RUSAGE_SELF, &use);
	printf("cpu %.6f wall %.6f pid %d\n", seconds(use.ru_utime) + seconds(use.ru_stime),
	       (double)(now(CLOCK_MONOTONIC) - start) / 1e9, (int)getpid());
	return 0;
}
