/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "util/notify.h"

/* A manager's socket by that name; a leading '@' is an abstract one. */
static int listen_at(const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const size_t n = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(addr.sun_path, name, n);
	if (name[0] == '@')
		addr.sun_path[0] = '\0';
	if (bind(fd, (struct sockaddr *)&addr, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0) {
		close(fd);
		return -1;
	}
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

/* The next datagram; "": none is there. */
static const char *heard(int fd)
{
	static char text[64];
	const ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void test_path(void)
{
	char name[] = "/tmp/test_notify.XXXXXX/socket";
	char *slash = strrchr(name, '/');
	int fd;

	*slash = '\0';
	CHECK(mkdtemp(name) != NULL);
	*slash = '/';
	fd = listen_at(name);
	CHECK(fd >= 0);
	notify_manager("READY=1");
	notify_manager("STOPPING=1");
	CHECK_STR(heard(fd), "READY=1");
	CHECK_STR(heard(fd), "STOPPING=1");
	close(fd);
	unlink(name);
	*slash = '\0';
	rmdir(name);
}

static void test_abstract(void)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "@ptcpdump/test_notify/%d", (int)getpid());
	fd = listen_at(name);
	CHECK(fd >= 0);
	notify_manager("READY=1");
	CHECK_STR(heard(fd), "READY=1");
	close(fd);
}

/* None of these may end the run, nor write past the address. */
static void test_nobody(void)
{
	char name[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];

	unsetenv("NOTIFY_SOCKET");
	notify_manager("READY=1");
	setenv("NOTIFY_SOCKET", "", 1);
	notify_manager("READY=1");
	setenv("NOTIFY_SOCKET", "relative/socket", 1);
	notify_manager("READY=1");
	setenv("NOTIFY_SOCKET", "@", 1);
	notify_manager("READY=1");
	setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
	notify_manager("READY=1");
	/* As long as an address may be, and longer. */
	for (size_t n = sizeof(name) - 2; n < sizeof(name); n++) {
		memset(name, 'x', n);
		name[0] = '/';
		name[n] = '\0';
		setenv("NOTIFY_SOCKET", name, 1);
		notify_manager("READY=1");
	}
}

/* A manager that does not read holds us for a second at most. */
static void test_full(void)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);
	char name[64];
	time_t began;
	int fd, other, n = 0;

	snprintf(name, sizeof(name), "@ptcpdump/test_notify_full/%d", (int)getpid());
	fd = listen_at(name);
	CHECK(fd >= 0);
	getsockname(fd, (struct sockaddr *)&addr, &len);
	other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	while (n < 100000 && sendto(other, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&addr, len) == 1)
		n++;
	CHECK_INT(errno, EAGAIN);
	began = time(NULL);
	notify_manager("READY=1");
	CHECK(time(NULL) - began <= 5);
	close(other);
	close(fd);
}

int main(void)
{
	RUN(test_path);
	RUN(test_abstract);
	RUN(test_nobody);
	RUN(test_full);
	return check_status();
}
