/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/pseudo_header.h"

#include <pcap/dlt.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "format/pcapng.h"

/* Turns n bytes at an offset; false when the packet ends before. */
static bool turn(uint8_t *p, uint32_t caplen, uint32_t at, uint32_t n)
{
	if (caplen < n || at > caplen - n)
		return false;
	for (uint32_t i = 0; i < n / 2; i++) {
		const uint8_t t = p[at + i];

		p[at + i] = p[at + n - 1 - i];
		p[at + n - 1 - i] = t;
	}
	return true;
}

/* OpenBSD's struct pfloghdr says its own length first; uid, pid, rule_uid and rule_pid came later. */
static void turn_pflog(uint8_t *p, uint32_t caplen)
{
	for (uint32_t at = 44; at < 60 && caplen && p[0] >= at + 4; at += 4)
		turn(p, caplen, at, 4);
}

/* struct can_frame behind a cooked header; the identifier is in host order. CAN XL has two numbers more. */
static void turn_can(uint8_t *p, uint32_t caplen, uint32_t protocol_at, uint32_t header)
{
	enum { P_CAN = 0x0c, P_CANFD = 0x0d, P_CANXL = 0x0e };
	uint32_t protocol;

	if (caplen < header)
		return;
	protocol = (uint32_t)p[protocol_at] << 8 | p[protocol_at + 1];
	if (protocol == P_CAN || protocol == P_CANFD || protocol == P_CANXL)
		turn(p, caplen, header, 4);
	if (protocol == P_CANXL) {
		turn(p, caplen, header + 6, 2);
		turn(p, caplen, header + 8, 4);
	}
}

/* struct mon_bin_hdr of Linux' drivers/usb/mon: 48 bytes, or 64 and isochronous descriptors when memory-mapped. */
static void turn_usb(uint8_t *p, uint32_t caplen, bool mapped)
{
	/* id, bus number, seconds, microseconds, status, lengths of request and data */
	static const struct {
		uint8_t at, n;
	} fields[] = { { 0, 8 }, { 12, 2 }, { 16, 8 }, { 24, 4 }, { 28, 4 }, { 32, 4 }, { 36, 4 } };
	enum { ISOCHRONOUS = 0, DESCRIPTORS = 64, DESCRIPTOR = 16 };
	bool isochronous;
	uint32_t n;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		turn(p, caplen, fields[i].at, fields[i].n);
	if (caplen < 48)
		return;
	isochronous = p[9] == ISOCHRONOUS;
	if (isochronous) {
		turn(p, caplen, 40, 4);
		turn(p, caplen, 44, 4);
	}
	if (!mapped)
		return;
	for (uint32_t at = 48; at < 64; at += 4)
		turn(p, caplen, at, 4);
	if (!isochronous || caplen < DESCRIPTORS)
		return;
	n = get32(p + 60, false);
	for (uint32_t at = DESCRIPTORS; n; n--, at += DESCRIPTOR) {
		if (!turn(p, caplen, at, 4) || !turn(p, caplen, at + 4, 4) || !turn(p, caplen, at + 8, 4))
			break;
	}
}

/* Version 0: lengths and types of the attributes, in host order; their values are not. */
static void turn_nflog(uint8_t *p, uint32_t caplen)
{
	uint32_t at = 4, size;

	if (caplen < 4 || p[1] != 0)
		return;
	while (caplen - at >= 4) {
		turn(p, caplen, at, 2);
		turn(p, caplen, at + 2, 2);
		size = (uint32_t)pad4(get16(p + at, false));
		if (size < 4 || size > caplen - at)
			return;
		at += size;
	}
}

void pseudo_header_to_host(int dlt, uint8_t *p, uint32_t caplen)
{
	switch (dlt) {
	case DLT_PFLOG: turn_pflog(p, caplen); break;
	case DLT_LINUX_SLL: turn_can(p, caplen, 14, 16); break;
	case DLT_LINUX_SLL2: turn_can(p, caplen, 0, 20); break;
	case DLT_USB_LINUX: turn_usb(p, caplen, false); break;
	case DLT_USB_LINUX_MMAPPED: turn_usb(p, caplen, true); break;
	case DLT_NFLOG: turn_nflog(p, caplen); break;
	}
}
