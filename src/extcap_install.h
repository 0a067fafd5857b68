/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXTCAP_INSTALL_H
#define EXTCAP_INSTALL_H

/* --install-extcap: links to this program in the folders where Wireshark looks for a user's extcap programs; says on stdout what
 * was done. 0, or a negative errno with a message written. */
int extcap_install(void);

#endif
