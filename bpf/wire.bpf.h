/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Numbers that packets and sockets show: those of the UAPI headers that compile for BPF, and by the same names those of
 * headers that do not (they want the C library's), or that are not in UAPI.
 */
#ifndef WIRE_BPF_H
#define WIRE_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/in6.h>

/* linux/if_arp.h */
#define ARPHRD_ETHER 1
#define ARPHRD_LOOPBACK 772

/* linux/socket.h, linux/net.h */
#define AF_INET 2
#define AF_INET6 10
#define AF_PACKET 17
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOCK_SEQPACKET 5

/* linux/icmp.h, linux/icmpv6.h */
#define ICMP_ECHOREPLY 0
#define ICMP_DEST_UNREACH 3
#define ICMP_ECHO 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12
#define ICMPV6_INFOMSG_MASK 0x80 /* errors are without this bit */
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129

/* Flags of TCP, as net/tcp.h names them. */
#define TCPHDR_FIN 0x01
#define TCPHDR_SYN 0x02
#define TCPHDR_RST 0x04
#define TCPHDR_ACK 0x10

/* Types of chunks: linux/sctp.h. */
#define SCTP_CID_INIT 1
#define SCTP_CID_INIT_ACK 2

/* Whether more than addresses tells flows apart: two ports in front of the header, or what identifies an ICMP echo. */
static __always_inline bool proto_has_ports(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6 ||
	       proto == IPPROTO_SCTP || proto == IPPROTO_UDPLITE || proto == IPPROTO_DCCP;
}

#endif
