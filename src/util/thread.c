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

static int start(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(ret, attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

int thread_start(pthread_t *ret, void *(*run)(void *arg), void *arg)
{
	return start(ret, NULL, run, arg);
}

int thread_detach(size_t stack, void *(*run)(void *arg), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, stack);
	err = start(&thread, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return err;
}
