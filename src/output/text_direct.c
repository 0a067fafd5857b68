/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which packets are printed without the library, whose text comes in many pieces, each through a format: TCP and UDP in
 * which nothing is unusual, up to what they carry. The text is the library's, byte for byte: test_text_direct.c compares
 * them. text_direct_put.c makes it.
 */
#include <errno.h>
#include <stdlib.h>

#include "output/text_private.h"

#include <appletalk.h>
#include <ethertype.h>
#include <extract.h>
#include <ipproto.h>
#include <udp.h>

#include <tcp.h>

enum { ETHERNET_LEN = 14, IPV6_LEN = 40 };

static void print_dns(netdissect_options *ndo, const u_char *data, u_int len)
{
	domain_print(ndo, data, len, FALSE, FALSE);
}

/* What is most often inside. */
static const struct direct_dissector dissectors[] = {
	{ IPPROTO_UDP, NAMESERVER_PORT, "", print_dns },  { IPPROTO_TCP, HTTP_PORT, ": ", http_print },
	{ IPPROTO_TCP, HTTP_PORT_ALT, ": ", http_print }, { IPPROTO_TCP, SSH_PORT, "", ssh_print },
	{ IPPROTO_TCP, REDIS_PORT, "", resp_print },
};

/* Where the library may print more than the length: of either end. */
static const uint16_t tcp_ports[] = {
	FTP_PORT,      SSH_PORT,      TELNET_PORT,	 SMTP_PORT,	     WHOIS_PORT, NAMESERVER_PORT,
	HTTP_PORT,     RPKI_RTR_PORT, NETBIOS_SSN_PORT,	 BGP_PORT,	     SMB_PORT,	 RTSP_PORT,
	MSDP_PORT,     LDP_PORT,      PPTP_PORT,	 NFS_PORT,	     REDIS_PORT, BEEP_PORT,
	HTTP_PORT_ALT, RTSP_PORT_ALT, OPENFLOW_PORT_OLD, OPENFLOW_PORT_IANA,
};

static const uint16_t udp_ports[] = {
	NAMESERVER_PORT,
	BOOTPS_PORT,
	BOOTPC_PORT,
	TFTP_PORT,
	KERBEROS_PORT,
	NTP_PORT,
	NETBIOS_NS_PORT,
	NETBIOS_DGRAM_PORT,
	SNMP_PORT,
	SNMPTRAP_PORT,
	PTP_EVENT_PORT,
	PTP_GENERAL_PORT,
	CISCO_AUTORP_PORT,
	ISAKMP_PORT,
	SYSLOG_PORT,
	RIP_PORT,
	RIPNG_PORT,
	TIMED_PORT,
	DHCP6_SERV_PORT,
	DHCP6_CLI_PORT,
	LDP_PORT,
	AODV_PORT,
	OLSR_PORT,
	LMP_PORT,
	KERBEROS_SEC_PORT,
	LWRES_PORT,
	VQP_PORT,
	RADIUS_PORT,
	RADIUS_ACCOUNTING_PORT,
	RADIUS_CISCO_COA_PORT,
	L2TP_PORT,
	RADIUS_NEW_PORT,
	RADIUS_NEW_ACCOUNTING_PORT,
	HSRP_PORT,
	NFS_PORT,
	ZEPHYR_SRV_PORT,
	ZEPHYR_CLT_PORT,
	VAT_PORT,
	MPLS_LSP_PING_PORT,
	BFD_CONTROL_PORT,
	BFD_ECHO_PORT,
	RADIUS_COA_PORT,
	LISP_CONTROL_PORT,
	ISAKMP_PORT_NATT,
	WB_PORT,
	BFD_MULTIHOP_PORT,
	VXLAN_PORT,
	VXLAN_GPE_PORT,
	SIP_PORT,
	MULTICASTDNS_PORT,
	AHCP_PORT,
	GENEVE_PORT,
	SFLOW_PORT,
	MPLS_PORT,
	BABEL_PORT,
	BABEL_PORT_OLD,
	BFD_LAG_PORT,
	ISAKMP_PORT_USER1,
	HNCP_PORT,
	VXLAN_LINUX_PORT,
	ISAKMP_PORT_USER2,
	LWAPP_DATA_PORT,
	LWAPP_CONTROL_PORT,
	ZEP_PORT,
	SOMEIP_PORT,
	BCM_LI_PORT,
};

static void port_add(uint8_t ports[PORT_BITS], unsigned port)
{
	ports[port / 8] |= (uint8_t)(1U << port % 8);
}

static bool port_known(const uint8_t ports[PORT_BITS], unsigned port)
{
	return ports[port / 8] >> port % 8 & 1;
}

/* Nothing is inside that the library dissects, or what p->dissector does. */
static bool inside_plain(const uint8_t ports[PORT_BITS], struct direct_packet *p)
{
	const unsigned source = EXTRACT_BE_U_2(p->payload), destination = EXTRACT_BE_U_2(p->payload + 2);
	const bool source_known = port_known(ports, source), destination_known = port_known(ports, destination);

	if (!source_known && !destination_known)
		return true;
	/* Which of two is asked first, only the library knows. */
	if (source_known && destination_known && source != destination)
		return false;
	for (size_t i = 0; i < sizeof(dissectors) / sizeof(dissectors[0]); i++) {
		const struct direct_dissector *d = &dissectors[i];

		if (d->protocol == p->protocol && d->port == (source_known ? source : destination))
			p->dissector = d;
	}
	return p->dissector;
}

void direct_init(struct direct *direct, const struct text_config *c)
{
	direct->on = c->n && !c->q && !c->brief && !c->type;
	direct->bare = !c->A && !c->x && !c->X && !c->number;
	for (size_t i = 0; i < sizeof(tcp_ports) / sizeof(tcp_ports[0]); i++)
		port_add(direct->tcp_ports, tcp_ports[i]);
	for (size_t i = 0; i < sizeof(udp_ports) / sizeof(udp_ports[0]); i++)
		port_add(direct->udp_ports, udp_ports[i]);
}

/* All of its options print as name and numbers, and have the length that they must have. */
static bool tcp_options_plain(const u_char *p, unsigned n)
{
	/* Those of one length. */
	static const uint8_t lengths[] = {
		[TCPOPT_MAXSEG] = 4, [TCPOPT_WSCALE] = 3, [TCPOPT_SACKOK] = 2, [TCPOPT_TIMESTAMP] = 10
	};

	while (n > 0 && *p != TCPOPT_EOL) {
		unsigned len = 1;

		if (*p != TCPOPT_NOP) {
			if (n < 2)
				return false;
			len = p[1];
			if (len > n || *p >= sizeof(lengths))
				return false;
			if (*p == TCPOPT_SACK ? len < 10 || len % 8 != 2 : len < 2 || len != lengths[*p])
				return false;
		}
		p += len;
		n -= len;
	}
	return true;
}

static bool tcp_plain(const struct direct *direct, struct direct_packet *p)
{
	const u_char *tcp = p->payload;
	unsigned header;

	if (p->captured < DIRECT_TCP_LEN)
		return false;
	header = (unsigned)(tcp[12] >> 4) * 4;
	if (header < DIRECT_TCP_LEN || header > p->captured ||
	    !tcp_options_plain(tcp + DIRECT_TCP_LEN, header - DIRECT_TCP_LEN))
		return false;
	return p->len == header || (!(tcp[13] & TH_RST) && inside_plain(direct->tcp_ports, p));
}

/* Not worth a list. */
static bool in_udp_range(unsigned port)
{
	return atalk_port(port) || (port >= RX_PORT_LOW && port <= RX_PORT_HIGH);
}

static bool udp_plain(const struct direct *direct, struct direct_packet *p)
{
	return p->captured >= DIRECT_UDP_LEN && EXTRACT_BE_U_2(p->payload + 4) >= DIRECT_UDP_LEN &&
	       !in_udp_range(EXTRACT_BE_U_2(p->payload)) && !in_udp_range(EXTRACT_BE_U_2(p->payload + 2)) &&
	       inside_plain(direct->udp_ports, p);
}

/* No options, no fragment, and as long as it says. */
static bool ipv4_plain(struct direct_packet *p, const u_char *ip, uint32_t caplen, uint32_t len)
{
	unsigned total;

	if (caplen < DIRECT_IPV4_LEN)
		return false;
	total = EXTRACT_BE_U_2(ip + 2);
	if (total < DIRECT_IPV4_LEN || total > len || (EXTRACT_BE_U_2(ip + 6) & ~(unsigned)IP_DF) != 0)
		return false;
	*p = (struct direct_packet){
		.ip = ip,
		.payload = ip + DIRECT_IPV4_LEN,
		.len = total - DIRECT_IPV4_LEN,
		.captured = (caplen < total ? caplen : total) - DIRECT_IPV4_LEN,
		.protocol = ip[9],
	};
	return true;
}

/* No extension headers: they are other protocols. */
static bool ipv6_plain(struct direct_packet *p, const u_char *ip, uint32_t caplen, uint32_t len)
{
	unsigned payload;

	if (caplen < IPV6_LEN)
		return false;
	payload = EXTRACT_BE_U_2(ip + 4);
	if (payload == 0 || IPV6_LEN + payload > len)
		return false;
	*p = (struct direct_packet){
		.ip = ip,
		.payload = ip + IPV6_LEN,
		.len = payload,
		.captured = caplen - IPV6_LEN < payload ? caplen - IPV6_LEN : payload,
		.protocol = ip[6],
		.ipv6 = true,
	};
	return true;
}

static bool ip_plain(struct direct_packet *p, const struct packet *packet)
{
	const u_char *data = packet->data;
	uint32_t caplen = packet->caplen, len = packet->len;

	if (packet->iface->dlt == DLT_EN10MB) {
		if (caplen < ETHERNET_LEN + DIRECT_IPV4_LEN)
			return false;
		switch (EXTRACT_BE_U_2(data + 12)) {
		case ETHERTYPE_IP: return data[14] == 0x45 && ipv4_plain(p, data + 14, caplen - 14, len - 14);
		case ETHERTYPE_IPV6: return data[14] >> 4 == 6 && ipv6_plain(p, data + 14, caplen - 14, len - 14);
		default: return false;
		}
	}
	if (packet->iface->dlt != DLT_RAW || caplen < DIRECT_IPV4_LEN)
		return false;
	return data[0] == 0x45 ? ipv4_plain(p, data, caplen, len)
			       : data[0] >> 4 == 6 && ipv6_plain(p, data, caplen, len);
}

static bool is_plain(const struct direct *direct, const struct packet *packet, struct direct_packet *p)
{
	if (packet->caplen > packet->len || packet->len > MAXIMUM_SNAPLEN || !ip_plain(p, packet))
		return false;
	if (p->protocol == IPPROTO_TCP)
		return tcp_plain(direct, p);
	return p->protocol == IPPROTO_UDP && udp_plain(direct, p);
}

bool direct_take(const struct direct *direct, const struct packet *packet, struct direct_packet *p)
{
	return direct->on && is_plain(direct, packet, p);
}

/* --- how much of a packet its text depends on --------------------------------------- */

struct text_reach {
	bool headers; /* with these options, text may end behind them */
	struct text_config config;
	struct direct direct;
};

int output_text_reach_new(struct text_reach **ret, const struct text_config *c)
{
	struct text_reach *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->config = *c;
	direct_init(&r->direct, c);
	r->headers = !c->A && !c->x && !c->X && !c->type && (!c->v || (r->direct.on && r->direct.bare));
	*ret = r;
	return 0;
}

uint32_t output_text_reach(const struct text_reach *r, const struct packet *packet, uint16_t *rest_sum)
{
	struct direct_packet p;
	const u_char *end, *summed;

	if (!r->headers || !is_plain(&r->direct, packet, &p) || p.dissector)
		return packet->caplen;
	end = p.payload + (p.protocol == IPPROTO_TCP ? (p.payload[12] >> 4) * 4 : DIRECT_UDP_LEN);
	summed = p.payload + direct_summed(&r->config, &p);
	*rest_sum = summed > end ? direct_sum(end, (size_t)(summed - end)) : 0;
	return (uint32_t)(end - packet->data);
}

void output_text_reach_free(struct text_reach *r)
{
	free(r);
}
