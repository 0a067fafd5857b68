/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of the processes that run already the filter of the kernel is told of. */
#include <bpf/bpf.h>
#include <ptcpdump/owner.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/attrib_scan.h"
#include "check.h"
#include "fake.h"

static uint32_t asked, bits; /* of that pid */

FAKE(int, bpf_map_update_elem, int fd, const void *key, const void *value, uint64_t flags)
{
	if (memcmp(key, &asked, sizeof(asked)) == 0)
		memcpy(&bits, value, sizeof(bits));
	return 0;
}

static uint32_t bits_with_user(uint32_t uid)
{
	const struct capture_config config = { .uids = &uid, .nuids = 1, .follow_forks = true };

	bits = 0;
	return scan_filter_pids(-1, &config) ? UINT32_MAX : bits;
}

/* Of a set-user-ID program the real user counts, as for packets; only root can make the two differ here. */
static void test_real_user(void)
{
	const uid_t user = getuid() ? getuid() : 4242;
	uint32_t of_user;
	int ready[2];
	char c;

	CHECK_INT(pipe(ready), 0);
	asked = (uint32_t)fork();
	if (asked == 0) {
		if (setreuid(user, (uid_t)-1) || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	close(ready[1]);
	c = read(ready[0], &c, 1) == 1;
	of_user = bits_with_user(user);
	kill((pid_t)asked, SIGKILL);
	waitpid((pid_t)asked, NULL, 0);
	close(ready[0]);
	CHECK(c);
	CHECK_INT(of_user, SELECT_PID_USER);
}

int main(void)
{
	RUN(test_real_user);
	return check_status();
}
