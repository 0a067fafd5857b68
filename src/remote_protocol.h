/* SPDX-License-Identifier: BSD-3-Clause */
/* What both ends of a remote capture agree on. */
#ifndef REMOTE_PROTOCOL_H
#define REMOTE_PROTOCOL_H

/* Ends whose numbers differ do not understand each other. */
#define REMOTE_PROTOCOL 1
/* Begins what is meant for the near end: a login may have its own to say before. */
#define REMOTE_MARK "PTCPDUMP "

enum {
	REMOTE_BEAT_MS = 3000,	/* the near end sends a line this often while a capture runs */
	REMOTE_SILENCE_S = 20,	/* after which the far end ends */
	REMOTE_ALIVE_S = 5,	/* ssh asks the other side after so long without traffic */
	REMOTE_ALIVE_COUNT = 3, /* and gives up after so many questions without answer */
};

#endif
