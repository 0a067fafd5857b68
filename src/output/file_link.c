/* SPDX-License-Identifier: BSD-3-Clause */
/* Link headers that packets get in a file which holds one link type only. */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <linux/if_packet.h>
#include <pcap/dlt.h>
#include <pcap/sll.h>

#include "output/file.h"

/* What the Go program puts in front of such packets: to 2, from 1. */
static const uint8_t ethernet_addresses[2 * ETH_ALEN] = { [5] = 2, [11] = 1 };

enum {
	/* In the place of an Ethernet type: what is not 802.3 with a length. Linux tells these two apart. */
	TYPE_MIN = 0x600,
	UNKNOWN_TYPE = 0xffff, /* reserved by RFC 1701 */
};

bool file_is_raw(int dlt)
{
	return dlt == DLT_RAW || dlt == DLT_IPV4 || dlt == DLT_IPV6;
}

bool file_ethernet_helps(const struct iface *a, const struct iface *b)
{
	return a->dlt != b->dlt && (file_is_raw(a->dlt) || a->dlt == DLT_EN10MB) &&
	       (file_is_raw(b->dlt) || b->dlt == DLT_EN10MB);
}

int file_dlt(const struct file_output *o, const struct iface *iface)
{
	return o->config.add_ethernet && file_is_raw(iface->dlt) ? DLT_EN10MB : iface->dlt;
}

/* A tunnel may carry something else than IP, whose first bits mean nothing to us: the kernel knows. */
static uint16_t raw_type(const struct packet *p)
{
	if (p->event && p->event->protocol)
		return p->event->protocol;
	switch (p->caplen ? p->data[0] >> 4 : 0) {
	case 4: return ETHERTYPE_IP;
	case 6: return ETHERTYPE_IPV6;
	default: return UNKNOWN_TYPE;
	}
}

static uint8_t *put_be16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
	return at + 2;
}

/* The packet with its first skip bytes replaced by the header in b. */
static struct packet with_header(struct buf *b, const struct packet *packet, uint32_t skip)
{
	const uint32_t header = (uint32_t)b->len, max = packet->iface->snaplen;
	const uint32_t cut = skip < packet->caplen ? skip : packet->caplen;
	struct packet ret = *packet;

	buf_put(b, packet->data + cut, packet->caplen - cut);
	ret.data = (const uint8_t *)b->p;
	ret.caplen = max && b->len > max ? max : (uint32_t)b->len;
	ret.len = packet->len - (skip < packet->len ? skip : packet->len) + header;
	return ret;
}

struct packet file_add_ethernet(struct buf *b, const struct packet *packet)
{
	uint8_t type[2];

	put_be16(type, raw_type(packet));
	b->len = 0;
	buf_put(b, ethernet_addresses, sizeof(ethernet_addresses));
	buf_put(b, type, sizeof(type));
	return with_header(b, packet, 0);
}

bool file_can_cook(int dlt)
{
	return dlt == DLT_EN10MB || file_is_raw(dlt);
}

static uint8_t cooked_direction(const struct packet *p)
{
	if (p->dir == DIR_OUT)
		return LINUX_SLL_OUTGOING;
	return p->event && p->event->pkt_type <= PACKET_OTHERHOST ? p->event->pkt_type : LINUX_SLL_HOST;
}

static void cook_ethernet(struct sll2_header *h, const struct packet *p)
{
	static const uint8_t loopback[2 * ETH_ALEN];
	const uint16_t type = (uint16_t)(p->data[2 * ETH_ALEN] << 8 | p->data[2 * ETH_ALEN + 1]);
	/* Novell's 802.3 without LLC begins with a checksum that is not used. */
	const bool novell = p->caplen >= ETHER_HDR_LEN + 2 && p->data[14] == 0xff && p->data[15] == 0xff;

	h->sll2_protocol = htons(type >= TYPE_MIN ? type : novell ? LINUX_SLL_P_802_3 : LINUX_SLL_P_802_2);
	h->sll2_hatype = htons(memcmp(p->data, loopback, sizeof(loopback)) ? ARPHRD_ETHER : ARPHRD_LOOPBACK);
	h->sll2_halen = ETH_ALEN;
	memcpy(h->sll2_addr, p->data + ETH_ALEN, ETH_ALEN);
}

struct packet file_cook(struct buf *b, const struct packet *packet)
{
	struct sll2_header h = { .sll2_if_index = htonl(packet->iface->ifindex),
				 .sll2_pkttype = cooked_direction(packet) };
	const bool raw = file_is_raw(packet->iface->dlt);

	if (raw) {
		h.sll2_protocol = htons(raw_type(packet));
		h.sll2_hatype = htons(ARPHRD_NONE);
	} else if (packet->caplen >= ETHER_HDR_LEN) {
		cook_ethernet(&h, packet);
	}
	b->len = 0;
	buf_put(b, &h, sizeof(h));
	return with_header(b, packet, raw ? 0 : ETHER_HDR_LEN);
}
