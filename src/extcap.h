/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * We as a plug-in of Wireshark, tshark and dumpcap, which call an external capture program ("extcap") by options of their own:
 * extcap(4) of Wireshark. Options of ours come with a capture's call, as the dialogue of its interface has them.
 */
#ifndef EXTCAP_H
#define EXTCAP_H

#include <stdbool.h>

/* The command line is such a call. */
bool extcap_called(int argc, char **argv);
/* Does what the call asks for. The exit status. */
int extcap_run(int argc, char **argv);

#endif
