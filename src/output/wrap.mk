# Functions of libnetdissect that src/output/netdissect_*.c replace.
ND_WRAP := ipaddr_string ip6addr_string tcpport_string udpport_string etheraddr_string le64addr_string \
	linkaddr_string isonsap_string \
	hex_print hex_print_with_offset hex_and_ascii_print ascii_print
ND_WRAP_LDFLAGS := $(ND_WRAP:%=-Wl,--wrap=%)
