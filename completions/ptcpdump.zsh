#compdef ptcpdump
# SPDX-License-Identifier: BSD-3-Clause
# zsh completion for ptcpdump; made by 'ptcpdump --completion zsh'
local command=${words[(i)--]}
if (( command < CURRENT )); then
	words=("${(@)words[command + 1,-1]}")
	(( CURRENT -= command ))
	_normal
	return
fi
_arguments -s \
	'*-i+[listen on this interface, by name, alternative name or the number that -D shows; repeat it or separate with commas; any\: all of them. Default\: any when a process, user, container or command is asked for, and with --netns, else the first usable one]:INTERFACE:{_sequence compadd - any /sys/class/net/*(N\:t)}' \
	'*--interface=[listen on this interface, by name, alternative name or the number that -D shows; repeat it or separate with commas; any\: all of them. Default\: any when a process, user, container or command is asked for, and with --netns, else the first usable one]:INTERFACE:{_sequence compadd - any /sys/class/net/*(N\:t)}' \
	'*--netns=[listen in this network namespace, by name, path, container (its name, a pattern or its id) or pod; repeatable; any\: all of them, later ones too; newly\: only later ones. Default\: our own; with -i any also those of the containers and pods that are asked for]:NAME|PATH|container\:NAME|pod\:NAME.NAMESPACE|any|newly:{_sequence compadd - any newly /run/netns/*(N\:t) /run/docker/netns/*(N\:t) || _files}' \
	'*-c+[stop after N packets]:N: ' \
	'*--receive-count=[stop after N packets]:N: ' \
	'*-Q+[only packets that come in, go out, or both (inout, the default)]:DIRECTION:(in out inout)' \
	'*--direction=[only packets that come in, go out, or both (inout, the default)]:DIRECTION:(in out inout)' \
	'*-s+[keep at most this much of each packet (0\: the default, 262144)]:BYTES: ' \
	'*--snapshot-length=[keep at most this much of each packet (0\: the default, 262144)]:BYTES: ' \
	'*-p[don'\''t put the interface into promiscuous mode]' \
	'*--no-promiscuous-mode[don'\''t put the interface into promiscuous mode]' \
	'*--backend=[how packets are seen (default\: tc, or pcap where only that can serve); help\: what this kernel offers]:BACKEND:(tc cgroup-skb socket-filter tp-btf pcap)' \
	'*--kernel-btf=[BTF of this kernel (default /sys/kernel/btf/vmlinux, then /var/lib/ptcpdump/btf, else it is fetched)]:FILE:_files' \
	'*--no-btf-download[don'\''t fetch the BTF of a kernel that has none]' \
	'*--immediate-mode[show and save packets as soon as they arrive]' \
	'*-I[put the interface into 802.11 monitor mode (by the backend pcap)]' \
	'*--monitor-mode[put the interface into 802.11 monitor mode (by the backend pcap)]' \
	'*-j+[where time stamps come from, see -J (others than host\: by the backend pcap)]:TYPE: ' \
	'*--time-stamp-type=[where time stamps come from, see -J (others than host\: by the backend pcap)]:TYPE: ' \
	'*-y+[link type of the capture, see -L (another than the first\: by the backend pcap), or of the filter that -d prints]:TYPE: ' \
	'*--linktype=[link type of the capture, see -L (another than the first\: by the backend pcap), or of the filter that -d prints]:TYPE: ' \
	'*-D[list the interfaces and exit (with --netns\: those of that namespace)]' \
	'*--list-interfaces[list the interfaces and exit (with --netns\: those of that namespace)]' \
	'*-L[list the link types of the interface and exit]' \
	'*--list-data-link-types[list the link types of the interface and exit]' \
	'*-J[list the time stamp types of the interface and exit]' \
	'*--list-time-stamp-types[list the time stamp types of the interface and exit]' \
	'*--remote=[capture on this host, by ssh; repeatable\: packets of all are merged]:\[USER@\]HOST: ' \
	'*--remote-command=[as --remote, by a command of our shell that runs one there\: "sh" is put behind it; repeatable]:\[NAME=\]COMMAND: ' \
	'*--remote-copy[copy this program to hosts that lack it, into a temporary folder, and remove it there at the end]' \
	'*--remote-clock[turn the times of remote hosts into those of our clock, by what was measured of theirs]' \
	'*--probe[tell what this kernel offers, what is lost without it, and exit]' \
	'*--clean[remove what runs that were killed have left in the kernel and on the disk, tell what, and exit]' \
	'*-F+[read the filter expression from FILE; one on the command line is ignored]:FILE:_files' \
	'*--expression-file=[read the filter expression from FILE; one on the command line is ignored]:FILE:_files' \
	'*-O[don'\''t optimize the filter program]' \
	'*--no-optimize[don'\''t optimize the filter program]' \
	'*-d[print the compiled filter and exit; -dd\: as C, -ddd\: as numbers]' \
	'*--pid=[only traffic of this process; repeatable; also with -r]:PID:_pids' \
	'*--pname=[only traffic of processes of this name, or of those that a pattern (php*) fits; repeatable; also with -r]:NAME: ' \
	'*--uid=[only traffic of this user'\''s processes, by number or name; repeatable; also with -r]:USER:_users' \
	'*-f[children of what --pid and --pname (without them\: --uid) ask for count as asked for, too (not tcpdump'\''s -f)]' \
	'*--follow-forks[children of what --pid and --pname (without them\: --uid) ask for count as asked for, too (not tcpdump'\''s -f)]' \
	'*--container-id=[only traffic of this container, at least 12 characters of its id; repeatable; also with -r]:ID: ' \
	'*--container-name=[only traffic of the containers of this name, or of those that a pattern (web-*) takes; repeatable; also with -r]:NAME: ' \
	'*--pod-name=[only traffic of this pod (without a namespace\: of --namespace, else default), or of those that a pattern takes; repeatable; also with -r]:NAME.NAMESPACE: ' \
	'*--namespace=[only traffic of pods in this namespace of Kubernetes, or pattern; repeatable; also with -r]:NAMESPACE: ' \
	'*--image=[only traffic of containers of this image, or pattern, with or without registry and tag (nginx, nginx\:1.*); repeatable; also with -r]:IMAGE: ' \
	'*--label=[only traffic of containers that have, or whose pod has, all these labels (VALUE may be a pattern); repeatable; also with -r]:KEY\[=VALUE\],...: ' \
	'*--compose=[only traffic of this project of docker or podman compose, or this service of it; repeatable; also with -r]:PROJECT\[/SERVICE\]: ' \
	'*--context=[which annotations to show and save (default\: all)]:LIST:_values -s , word process thread parentproc user container pod peer' \
	'*--disable-reverse-match[never show the process of the other end when that of the right end is unknown]' \
	'*--docker-address=[socket of the Docker Engine (default /var/run/docker.sock), or tcp\://HOST\:PORT]:ADDRESS:_files' \
	'*--containerd-address=[socket of containerd (default /run/containerd/containerd.sock)]:SOCKET:_files' \
	'*--cri-runtime-address=[socket of the CRI runtime (default\: the first usual one that answers)]:SOCKET:_files' \
	'*--write-keylog-file=[write the TLS secrets of the command to FILE]:FILE:_files' \
	'*--embed-keylog-to-pcapng[save the TLS secrets of the command in the file of -w]' \
	'*-A[print each packet without its link header in ASCII]' \
	'*--print-data-in-ascii[print each packet without its link header in ASCII]' \
	'*-b[print AS numbers of BGP in ASDOT notation]' \
	'*-e[print the link header]' \
	'*-E+[decrypt IPsec ESP packets]:SPI@IP ALGO\:SECRET,...: ' \
	'*-g[no line break after the IP header with -v]' \
	'*--ip-oneline[no line break after the IP header with -v]' \
	'*-H[try to detect 802.11s draft mesh headers]' \
	'*-K[don'\''t verify IP, TCP and UDP checksums]' \
	'*--dont-verify-checksums[don'\''t verify IP, TCP and UDP checksums]' \
	'*-l[write every line at once]' \
	'*-m+[accepted, no effect\: definitions of SMI MIBs are not supported]:MODULE:_files' \
	'*-M+[validate TCP-MD5 digests with SECRET]:SECRET: ' \
	'*-n[don'\''t convert addresses and ports to names]' \
	'*--no-convert-addr[don'\''t convert addresses and ports to names]' \
	'*-N[print host names without their domain]' \
	'*-#[print a number in front of each packet]' \
	'*--number[print a number in front of each packet]' \
	'*--oneline[print the verbose output of a packet on one line]' \
	'*--brief[print each packet on one short line\: both ends where they are known, and what -q tells]' \
	'*--context-prefix[print the container or pod in front of the interface\: \[web\], \[pod.namespace/container\], else -]' \
	'*--color=[colour processes, containers, directions, resets and the number of lost packets (auto\: on a terminal, unless NO_COLOR is set; default never)]:WHEN:(auto always never)' \
	'*-q[print less protocol information]' \
	'*--quiet[print less protocol information]' \
	'*-S[print absolute TCP sequence numbers]' \
	'*--absolute-tcp-sequence-numbers[print absolute TCP sequence numbers]' \
	'*-t[-t\: no time; -tt\: seconds since 1970; -ttt\: since the previous line; -tttt\: with the date; -ttttt\: since the first line]' \
	'*--print-timestamp[-t\: no time; -tt\: seconds since 1970; -ttt\: since the previous line; -tttt\: with the date; -ttttt\: since the first line]' \
	'*--utc-time[print times in UTC]' \
	'*--time-stamp-precision=[print and save times in micro- or nanoseconds]:PRECISION:(micro nano)' \
	'*--micro[short for --time-stamp-precision=micro (the default)]' \
	'*--nano[short for --time-stamp-precision=nano]' \
	'*-T+[interpret the packets as this type]:TYPE:(aodv carp cnfp domain lmp pgm pgm_zmtp1 ptp radius resp rpc rtcp rtp snmp someip tftp vat vxlan wb zmtp1)' \
	'*-u[print undecoded NFS handles]' \
	'*-v[print more; -vv and -vvv\: more still; with -w\: tell every second how many packets were captured]' \
	'*--verbose[print more; -vv and -vvv\: more still; with -w\: tell every second how many packets were captured]' \
	'*-x[print each packet in hex; -xx\: with its link header]' \
	'*--print-data-in-hex[print each packet in hex; -xx\: with its link header]' \
	'*-X[print each packet in hex and ASCII; -XX\: with its link header]' \
	'*--print-data-in-hex-ascii[print each packet in hex and ASCII; -XX\: with its link header]' \
	'*--json=-[print a line of JSON for each packet, or for each flow at its end, in the names of the Elastic Common Schema]::FORM:(packet flow)' \
	'*--json-omit=[leave these, which may hold secrets, out of JSON]:LIST:_values -s , word args labels' \
	'*--flow-interval=[with --json=flow\: tell of a flow that goes on every so many seconds (default 60; 0\: only at its end)]:SECONDS: ' \
	'*--summary=-[instead of packets print who has talked, at the end and on SIGUSR1]::BY:(process flow container pod user)' \
	'*--top=-[show who talks, redrawn every second; q ends it, h shows its keys]::BY:(process flow container pod user)' \
	'*--metrics=[keep FILE up to date with counters for Prometheus (node_exporter'\''s textfile collector)]:FILE:_files' \
	'*--metrics-interval=[how often the file of --metrics is renewed (default 15)]:SECONDS: ' \
	'*--print[print packets although -w saves them]' \
	'*--count[with -r\: print only the number of packets]' \
	'*-r+[read packets from FILE (pcap or pcapng, compressed too; -\: standard input); repeatable\: merged by time; NAME=FILE\: its interfaces are called eth0@NAME]:FILE:_files' \
	'*--read-file=[read packets from FILE (pcap or pcapng, compressed too; -\: standard input); repeatable\: merged by time; NAME=FILE\: its interfaces are called eth0@NAME]:FILE:_files' \
	'*-V+[read packets from the files whose names are the lines of FILE (-\: standard input)]:FILE:_files' \
	'*-w+[save packets to FILE as pcapng, or as pcap when its name ends in .pcap (-\: pcapng on standard output)]:FILE:_files' \
	'*--write-file=[save packets to FILE as pcapng, or as pcap when its name ends in .pcap (-\: pcapng on standard output)]:FILE:_files' \
	'*-C+[with -w\: begin a new file after SIZE millions of bytes (k, m, g\: KiB, MiB, GiB)]:SIZE: ' \
	'*--file-size=[with -w\: begin a new file after SIZE millions of bytes (k, m, g\: KiB, MiB, GiB)]:SIZE: ' \
	'*-G+[with -w\: begin a new file every so many seconds; its name may hold conversions of strftime(3)]:SECONDS: ' \
	'*-W+[with -C\: overwrite the oldest of N files; with -G\: stop after N files]:N: ' \
	'*--file-count=[with -C\: overwrite the oldest of N files; with -G\: stop after N files]:N: ' \
	'*-z+[with -C or -G\: run COMMAND with the name of each finished file]:COMMAND:_command_names' \
	'*-U[write every packet at once, to the file of -w, else to standard output]' \
	'*--packet-buffered[write every packet at once, to the file of -w, else to standard output]' \
	'*-Z+[as root\: become USER once all is open (default\: sudo'\''s user, else tcpdump or nobody; root\: stay)]:USER:_users' \
	'*--relinquish-privileges=[as root\: become USER once all is open (default\: sudo'\''s user, else tcpdump or nobody; root\: stay)]:USER:_users' \
	'*--no-sandbox[go on where the kernel cannot take files, sockets and system calls from what reads packets]' \
	'*--add-ethernet-header[with -w\: put an Ethernet header before packets that have no link header (tun, WireGuard), so that files hold one link type]' \
	'*--compact-comments[with -w to pcapng\: full comments once for many packets of a process, which else have its pid and command]' \
	'*--process-blocks=[with -w to pcapng\: blocks of processes for Wireshark'\''s columns\: apple, for 4.6 and newer (default), pcapng, as proposed for the standard, both, none; with -r default\: those of the file]:FORM:(apple pcapng both none)' \
	'*-B+[size of the kernel'\''s packet buffers in KiB (default 16384; with more than 4 CPUs 4096 for each)]:KIB: ' \
	'*--buffer-size=[size of the kernel'\''s packet buffers in KiB (default 16384; with more than 4 CPUs 4096 for each)]:KIB: ' \
	'*--settle=[how long a packet waits for the process that will accept its connection (default 150; 0\: not at all)]:MS: ' \
	'*--event-chan-size=[accepted for compatibility, no effect]:N: ' \
	'*--exec-events-worker-number=[accepted for compatibility, no effect]:N: ' \
	'*--delay-before-handle-packet-events=[accepted for compatibility, no effect (see --settle)]:TIME: ' \
	'*--log-level=[which messages to show (default warn)]:LEVEL:(debug info warn error fatal)' \
	'*--install-extcap[make this program an interface of your Wireshark, by links in your folders, and exit]' \
	'*--version[print the version and exit]' \
	'*--licenses[print the licences of this program and of what is linked into it, and exit]' \
	'*-h[print the usual options, or all of them, and exit]' \
	'*--help=-[print the usual options, or all of them, and exit]::all:(all)' \
	'*--completion=[print the completion script for a shell and exit]:SHELL:(bash zsh fish)' \
	'*:expression:(and or not src dst pid pname uid exe cmdline parent container pod label netns unknown own arp host icmp icmp6 inbound ip ip6 net outbound port portrange sctp tcp udp vlan)'
