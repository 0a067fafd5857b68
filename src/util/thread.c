/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/thread.h"

#include <sched.h>
#include <signal.h>

bool thread_pays(void)
{
	cpu_set_t cpus;

	/* EINVAL: they are more than fit. */
	return sched_getaffinity(0, sizeof(cpus), &cpus) != 0 || CPU_COUNT(&cpus) > 1;
}

int thread_start(pthread_t *ret, void *(*run)(void *arg), void *arg)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(ret, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}
