/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/linktype.h"

#include <pcap/dlt.h>
#include <stddef.h>

static const struct {
	uint32_t linktype;
	int dlt;
} differing[] = {
	{ 100, DLT_ATM_RFC1483 }, { 101, DLT_RAW },	 { 102, DLT_SLIP_BSDOS },
	{ 103, DLT_PPP_BSDOS },	  { 106, DLT_ATM_CLIP },
};

int linktype_to_dlt(uint32_t linktype)
{
	for (size_t i = 0; i < sizeof(differing) / sizeof(differing[0]); i++) {
		if (differing[i].linktype == linktype)
			return differing[i].dlt;
	}
	return (int)linktype;
}

uint32_t linktype_from_dlt(int dlt)
{
	for (size_t i = 0; i < sizeof(differing) / sizeof(differing[0]); i++) {
		if (differing[i].dlt == dlt)
			return differing[i].linktype;
	}
	return (uint32_t)dlt;
}

uint32_t linktype_max_snaplen(int dlt)
{
	switch (dlt) {
	case DLT_DBUS: return 128 << 20;
	case DLT_EBHSCR: return 8 << 20;
	case DLT_USBPCAP: return 1 << 20;
	default: return 262144;
	}
}
