/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <string.h>

#include "filter/filter.h"

/* Of pcap-filter(7): those that people use. One that is lacking is taken for a name, which only costs time. */
static const char keywords[] =
	" action addr1 addr2 addr3 addr4 ah and arp atalk broadcast byte carp clnp decnet dir direction dpc dst esp ether "
	"fddi geneve greater host hopc icmp icmp6 icmp6code icmp6type icmpcode icmptype ifindex ifname igmp igrp inbound "
	"ip ip6 ipx isis iso lat len length less link llc mask mopdl moprc mpls multicast net not on opc or outbound pim "
	"port portrange ppp pppoed pppoes proto protochain ra radio rarp reason rnr rset rulenum ruleset sca sctp slip sls "
	"src srnr stp subtype ta tcp tcpflags tcp-ack tcp-cwr tcp-ece tcp-fin tcp-push tcp-rst tcp-syn tcp-urg tr type udp "
	"vci vlan vpi vrrp wlan ";

static bool is_keyword(const char *word, size_t n)
{
	char text[16];

	if (n + 3 > sizeof(text))
		return false;
	text[0] = ' ';
	memcpy(text + 1, word, n);
	strcpy(text + 1 + n, " ");
	return strstr(keywords, text);
}

/* Numbers and addresses: what a digit begins but for host names like 3com, and all that has colons. */
static bool is_number(const char *word, size_t n)
{
	const bool hex = n > 2 && word[0] == '0' && (word[1] | 0x20) == 'x';

	if (word[0] != '\\' && memchr(word, ':', n))
		return true;
	for (size_t i = hex ? 2 : 0; i < n; i++) {
		const unsigned char c = (unsigned char)word[i];

		if (!(hex ? isxdigit(c) : isdigit(c)) && c != '.' && (c != '-' || i == 0))
			return false;
	}
	return true;
}

bool filter_has_names(const char *expr)
{
	static const char inside[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:\\$";

	for (const char *p = expr; *p;) {
		const size_t n = strspn(p, inside);

		if (n && !is_number(p, n) && !is_keyword(p, n))
			return true;
		p += n ? n : 1;
	}
	return false;
}
