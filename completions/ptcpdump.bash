# bash completion for ptcpdump; made by 'ptcpdump --completion bash'
_ptcpdump()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -- ]]; then
			((COMP_CWORD == i + 1)) && COMPREPLY=($(compgen -c -- "$cur")) ||
				COMPREPLY=($(compgen -f -- "$cur"))
			return
		fi
	done
	case $prev in
	-i|--interface) COMPREPLY=($(compgen -W "any $(ls /sys/class/net 2>/dev/null)" -- "$cur")); return ;;
	--netns) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	-c|--receive-count) return ;;
	-Q|--direction) COMPREPLY=($(compgen -W 'in out inout' -- "$cur")); return ;;
	-s|--snapshot-length) return ;;
	--backend) COMPREPLY=($(compgen -W 'tc socket-filter tp-btf pcap' -- "$cur")); return ;;
	--kernel-btf) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	-j|--time-stamp-type) return ;;
	-y|--linktype) return ;;
	-F|--expression-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	--pid) COMPREPLY=($(compgen -W "$(cd /proc && echo [0-9]*)" -- "$cur")); return ;;
	--pname) return ;;
	--uid) return ;;
	--container-id) return ;;
	--container-name) return ;;
	--pod-name) return ;;
	--context) COMPREPLY=($(compgen -W 'process thread parentproc user container pod peer' -- "$cur")); return ;;
	--docker-address) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	--containerd-address) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	--cri-runtime-address) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	--write-keylog-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	-E) return ;;
	-m) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	-M) return ;;
	--time-stamp-precision) COMPREPLY=($(compgen -W 'micro nano' -- "$cur")); return ;;
	-T) COMPREPLY=($(compgen -W 'aodv carp cnfp domain lmp pgm pgm_zmtp1 ptp radius resp rpc rtcp rtp snmp someip tftp vat vxlan wb zmtp1' -- "$cur")); return ;;
	-r|--read-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	-V) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	-w|--write-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	-C|--file-size) return ;;
	-G) return ;;
	-W|--file-count) return ;;
	-z) COMPREPLY=($(compgen -c -- "$cur")); return ;;
	-Z|--relinquish-privileges) COMPREPLY=($(compgen -u -- "$cur")); return ;;
	-B|--buffer-size) return ;;
	--settle) return ;;
	--event-chan-size) return ;;
	--exec-events-worker-number) return ;;
	--delay-before-handle-packet-events) return ;;
	--log-level) COMPREPLY=($(compgen -W 'debug info warn error fatal' -- "$cur")); return ;;
	--completion) COMPREPLY=($(compgen -W 'bash zsh fish' -- "$cur")); return ;;
	esac
	if [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W '-i --interface --netns -c --receive-count -Q --direction -s --snapshot-length -p --no-promiscuous-mode --backend --kernel-btf --immediate-mode -I --monitor-mode -j --time-stamp-type -y --linktype -D --list-interfaces -L --list-data-link-types -J --list-time-stamp-types --probe -F --expression-file -O --no-optimize -d --pid --pname --uid -f --follow-forks --container-id --container-name --pod-name --context --disable-reverse-match --docker-address --containerd-address --cri-runtime-address --write-keylog-file --embed-keylog-to-pcapng -A --print-data-in-ascii -b -e -E -g --ip-oneline -H -K --dont-verify-checksums -l -m -M -n --no-convert-addr -N -# --number --oneline -q --quiet -S --absolute-tcp-sequence-numbers -t --print-timestamp --utc-time --time-stamp-precision --micro --nano -T -u -v --verbose -x --print-data-in-hex -X --print-data-in-hex-ascii --print --count -r --read-file -V -w --write-file -C --file-size -G -W --file-count -z -U --packet-buffered -Z --relinquish-privileges -B --buffer-size --settle --event-chan-size --exec-events-worker-number --delay-before-handle-packet-events --log-level --version -h --help --completion --' -- "$cur"))
	fi
}
complete -F _ptcpdump ptcpdump
