# SPDX-License-Identifier: BSD-3-Clause
# bash completion for ptcpdump; made by 'ptcpdump --completion bash'
_ptcpdump_words()
{
	mapfile -t COMPREPLY < <(compgen "$@" -- "$cur" | sort -u)
}
_ptcpdump_files()
{
	compopt -o filenames 2>/dev/null
	_ptcpdump_words "$@"
}
# one or more of the words, separated by commas
_ptcpdump_list()
{
	local before= last=${cur##*,} word
	[[ $cur == *,* ]] && before=${cur%,*},
	COMPREPLY=()
	for word in $1; do
		[[ $word == "$last"* && ,$before != *,"$word",* ]] && COMPREPLY+=("$before$word")
	done
}
_ptcpdump()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} joined= i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -- ]]; then
			if ((COMP_CWORD == i + 1)); then _ptcpdump_words -c; else _ptcpdump_files -f; fi
			return
		fi
	done
	# --option=value comes as three words
	if [[ $cur == = ]]; then
		cur= joined=1
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD-2]} joined=1
	fi
	case $prev in
	-i|--interface) _ptcpdump_list "any $(ls /sys/class/net 2>/dev/null)"; return ;;
	--netns) if [[ $cur == */* ]]; then _ptcpdump_files -f; else _ptcpdump_list "any newly $(ls /run/netns 2>/dev/null; ls /run/docker/netns 2>/dev/null)"; fi; return ;;
	-c|--receive-count) return ;;
	-Q|--direction) _ptcpdump_words -W 'in out inout'; return ;;
	-s|--snapshot-length) return ;;
	--backend) _ptcpdump_words -W 'tc cgroup-skb socket-filter tp-btf pcap'; return ;;
	--kernel-btf) _ptcpdump_files -f; return ;;
	-j|--time-stamp-type) return ;;
	-y|--linktype) return ;;
	--remote) return ;;
	--remote-command) return ;;
	-F|--expression-file) _ptcpdump_files -f; return ;;
	--pid) _ptcpdump_list "$(cd /proc && echo [0-9]*)"; return ;;
	--pname) return ;;
	--uid) _ptcpdump_words -u; return ;;
	--container-id) return ;;
	--container-name) return ;;
	--pod-name) return ;;
	--namespace) return ;;
	--image) return ;;
	--label) return ;;
	--compose) return ;;
	--context) _ptcpdump_list 'process thread parentproc user container pod peer'; return ;;
	--docker-address) _ptcpdump_files -f; return ;;
	--containerd-address) _ptcpdump_files -f; return ;;
	--cri-runtime-address) _ptcpdump_files -f; return ;;
	--write-keylog-file) _ptcpdump_files -f; return ;;
	-E) return ;;
	-m) _ptcpdump_files -f; return ;;
	-M) return ;;
	--color) _ptcpdump_words -W 'auto always never'; return ;;
	--time-stamp-precision) _ptcpdump_words -W 'micro nano'; return ;;
	-T) _ptcpdump_words -W 'aodv carp cnfp domain lmp pgm pgm_zmtp1 ptp radius resp rpc rtcp rtp snmp someip tftp vat vxlan wb zmtp1'; return ;;
	--json) [[ $joined ]] && { _ptcpdump_words -W 'packet flow'; return; } ;;
	--json-omit) _ptcpdump_list 'args labels'; return ;;
	--flow-interval) return ;;
	--summary) [[ $joined ]] && { _ptcpdump_words -W 'process flow container pod user'; return; } ;;
	--top) [[ $joined ]] && { _ptcpdump_words -W 'process flow container pod user'; return; } ;;
	--metrics) _ptcpdump_files -f; return ;;
	--metrics-interval) return ;;
	-r|--read-file) _ptcpdump_files -f; return ;;
	-V) _ptcpdump_files -f; return ;;
	-w|--write-file) _ptcpdump_files -f; return ;;
	-C|--file-size) return ;;
	-G) return ;;
	-W|--file-count) return ;;
	-z) _ptcpdump_words -c; return ;;
	-Z|--relinquish-privileges) _ptcpdump_words -u; return ;;
	--process-blocks) _ptcpdump_words -W 'apple pcapng both none'; return ;;
	-B|--buffer-size) return ;;
	--settle) return ;;
	--event-chan-size) return ;;
	--exec-events-worker-number) return ;;
	--delay-before-handle-packet-events) return ;;
	--log-level) _ptcpdump_words -W 'debug info warn error fatal'; return ;;
	-h|--help) [[ $joined ]] && { _ptcpdump_words -W 'all'; return; } ;;
	--completion) _ptcpdump_words -W 'bash zsh fish'; return ;;
	# process terms of an expression
	pid) _ptcpdump_words -W "$(cd /proc && echo [0-9]*)"; return ;;
	pname) _ptcpdump_words -W "$(cat /proc/[0-9]*/comm 2>/dev/null)"; return ;;
	uid) _ptcpdump_words -u; return ;;
	esac
	if [[ $cur == -* ]]; then
		_ptcpdump_words -W '-i --interface --netns -c --receive-count -Q --direction -s --snapshot-length -p --no-promiscuous-mode --backend --kernel-btf --no-btf-download --immediate-mode -I --monitor-mode -j --time-stamp-type -y --linktype -D --list-interfaces -L --list-data-link-types -J --list-time-stamp-types --remote --remote-command --remote-copy --remote-clock --probe --clean -F --expression-file -O --no-optimize -d --pid --pname --uid -f --follow-forks --container-id --container-name --pod-name --namespace --image --label --compose --context --disable-reverse-match --docker-address --containerd-address --cri-runtime-address --write-keylog-file --embed-keylog-to-pcapng -A --print-data-in-ascii -b -e -E -g --ip-oneline -H -K --dont-verify-checksums -l -m -M -n --no-convert-addr -N -# --number --oneline --brief --context-prefix --color -q --quiet -S --absolute-tcp-sequence-numbers -t --print-timestamp --utc-time --time-stamp-precision --micro --nano -T -u -v --verbose -x --print-data-in-hex -X --print-data-in-hex-ascii --json --json-omit --flow-interval --summary --top --metrics --metrics-interval --print --count -r --read-file -V -w --write-file -C --file-size -G -W --file-count -z -U --packet-buffered -Z --relinquish-privileges --no-sandbox --add-ethernet-header --compact-comments --process-blocks -B --buffer-size --settle --event-chan-size --exec-events-worker-number --delay-before-handle-packet-events --log-level --install-extcap --version --licenses -h --help --completion --'
	else
		_ptcpdump_words -W 'and or not src dst pid pname uid exe cmdline parent container pod label netns unknown own arp host icmp icmp6 inbound ip ip6 net outbound port portrange sctp tcp udp vlan'
	fi
}
complete -F _ptcpdump ptcpdump
