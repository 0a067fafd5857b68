#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# -r and -V as a user may get them wrong: a message that names the thing, exit status 1, at once. And lists of files.
set -u
. "$(dirname "$0")/../lib.sh"

cd "$TOP/tests/golden" || exit 2
program=$PTCPDUMP
tmp=$TEST_TMP
export TZ=UTC0

run() { # ARGUMENTS: sets STATUS and MS
	local before
	before=$(now_ms)
	timeout 5 "$program" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	STATUS=$?
	MS=$(($(now_ms) - before))
}

refused() { # NAME MESSAGE ARGUMENTS...
	local name=$1 message=$2 tries
	shift 2
	# A busy machine may be slow once, not every time.
	for tries in 1 2 3 4 5 6; do
		run "$@"
		[ $MS -ge 100 ] || break
	done
	if [ "$STATUS" -ne 1 ]; then
		bad "$name" "exit status $STATUS"
	elif ! grep -q -- "^ptcpdump: .*$message" "$tmp/err"; then
		bad "$name" "$(cat "$tmp/err")"
	elif [ "$MS" -ge 100 ]; then
		bad "$name" "took $MS ms ($tries tries)"
	else
		ok "$name"
	fi
}

pcap_of_link_type() { # OCTAL ESCAPES, FILE: one packet of four bytes
	printf '\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0%b' "$1" >"$2"
	printf '\x00\xf1\x53\x65\0\0\0\0\x04\0\0\0\x04\0\0\0\x01\x02\x03\x04' >>"$2"
}

pcap_of_link_type '\xe8\xfd\0\0' "$tmp/unknown.pcap"
pcap_of_link_type '\x65\0\0\0' "$tmp/raw.pcap"
printf '\xd4\xc3\xb2\xa1\x02\0' >"$tmp/short.pcap"
: >"$tmp/empty"
echo "neither pcap nor pcapng" >"$tmp/text"

# Files that cannot be read.
refused no_file "no-such-file: No such file or directory" -r no-such-file
refused folder "is a directory" -r /
refused not_a_capture "unknown file format" -r "$tmp/text"
refused empty_file "truncated dump file; tried to read 4 file header bytes, only got 0" -r "$tmp/empty"
refused short_file "truncated dump file; tried to read 24 file header bytes, only got 6" -r "$tmp/short.pcap"
if [ "$(id -u)" -ne 0 ]; then
	: >"$tmp/secret"
	chmod 0 "$tmp/secret"
	refused unreadable "Permission denied: make it readable" -r "$tmp/secret"
elif command -v setpriv >/dev/null && setpriv --reuid 65534 --clear-groups "$program" --version >/dev/null 2>&1; then
	cp plain.pcap /tmp/unreadable.$$ && chmod 600 /tmp/unreadable.$$
	is unreadable "$(setpriv --reuid 65534 --clear-groups "$program" -r /tmp/unreadable.$$ 2>&1; echo $?)" \
		"ptcpdump: /tmp/unreadable.$$: Permission denied: make it readable for this user, or use sudo
1"
	rm -f /tmp/unreadable.$$
else
	skip unreadable "nobody may not run the program"
fi
refused unknown_link_type "unknown data link type 65000" -r "$tmp/unknown.pcap"
refused expression_for_unknown_link_type "unknown data link type 65000" -r "$tmp/unknown.pcap" tcp

# Options that do not fit.
refused file_and_list "-V and -r are mutually exclusive" -r plain.pcap -V plain.pcap
refused missing_folder "create the folder '/no-such-folder'" -r plain.pcap -w /no-such-folder/x
refused folder_as_output "Is a directory" -r plain.pcap -w /
refused no_pid "'abc' is not a process number" -r plain.pcap --pid abc
refused size_zero "invalid file size 0" -r plain.pcap -w "$tmp/x" -C 0
refused size_of_another_unit "invalid file size 10tb" -r plain.pcap -w "$tmp/x" -C 10tb
refused buffer_too_large "invalid packet buffer size 2097152 (KiB, 1 to 2097151)" -B 2097152
refused docker_with_tls "give a socket (PATH or unix://PATH), or tcp://HOST:PORT or http" --docker-address https://10.0.0.1:2376
refused docker_by_another_scheme "give a socket (PATH or unix://PATH), or tcp://HOST:PORT or http" --docker-address ftp://x:1
refused cri_by_another_scheme "give PATH or unix://PATH" --cri-runtime-address tcp://x:1
refused seconds_of_letters "invalid number of seconds x" -r plain.pcap -w "$tmp/x" -G x
refused missing_program "no-such-program" -r plain.pcap -w "$tmp/x" -C 1 -z no-such-program
refused unknown_user "no-such-user" -r plain.pcap -Z no-such-user
refused unknown_flag "no-such-flag" -r plain.pcap --no-such-flag
refused unknown_type "no-such-type" -r plain.pcap -T no-such-type
refused bad_expression "syntax error" -r plain.pcap tcp and and
refused netns_of_a_broken_pattern "netns 'container:a\\[b': " -D --netns 'container:a[b'
refused netns_of_no_pod "the name is missing" -D --netns pod:
refused no_command "a command cannot be run with -r" -r plain.pcap -- true

# The input is never overwritten.
for suffix in pcap pcapng; do
	cp plain.pcap "$tmp/same.$suffix"
	refused "input_as_${suffix}_output" "is the file that is being read" -r "$tmp/same.$suffix" -w "$tmp/same.$suffix"
	is "input_is_whole_$suffix" "$(cmp plain.pcap "$tmp/same.$suffix" && echo same)" same
done
ln -f "$tmp/same.pcap" "$tmp/link.pcap"
refused other_name_of_the_input "is the file that is being read" -r "$tmp/same.pcap" -w "$tmp/link.pcap"
cp plain.pcap "$tmp/rotate1"
run -r "$tmp/rotate1" -w "$tmp/rotate" -C 1k
is input_as_second_output "$STATUS $(cmp plain.pcap "$tmp/rotate1" && echo same)" "1 same"
printf '%s\n' plain.pcap "$tmp/same.pcap" >"$tmp/list"
refused later_input_as_output "is the file that is being read" -V "$tmp/list" -w "$tmp/same.pcap"
is later_input_is_whole "$(cmp plain.pcap "$tmp/same.pcap" && echo same)" same

run -r plain.pcap -s 10 -w "$tmp/copy.pcap"
is copy_is_identical "$STATUS $(cmp plain.pcap "$tmp/copy.pcap" && echo same)" "0 same"
{ head -c 16 plain.pcap; printf '\x60\xea\0\0'; tail -c +21 plain.pcap; } >"$tmp/60000.pcap"
run -r "$tmp/60000.pcap" -w "$tmp/copy.pcap"
is copy_has_the_snapshot_length "$STATUS $(cmp "$tmp/60000.pcap" "$tmp/copy.pcap" && echo same)" "0 same"

# --context is also what is saved.
run -r annotated.pcapng --context process,user -w "$tmp/context.pcapng"
is context_of_a_copy "$STATUS $("$program" -nn -v -r "$tmp/context.pcapng" 2>/dev/null | md5sum)" \
	"0 $("$program" -nn -v -r annotated.pcapng --context process,user 2>/dev/null | md5sum)"
is nothing_else_in_the_copy "$(grep -ac 'Thread\|Parent\|Container\|Pod\|Peer' "$tmp/context.pcapng")" 0

# Compact comments tell the same as full ones; whoever selects packets gets full ones.
printf '%s\n' annotated.pcapng annotated.pcapng annotated.pcapng >"$tmp/list"
"$program" -V "$tmp/list" -w "$tmp/full.pcapng" 2>/dev/null
run -r "$tmp/full.pcapng" --compact-comments -w "$tmp/compact.pcapng"
is compact_is_smaller "$STATUS $(($(stat -c %s "$tmp/compact.pcapng") < $(stat -c %s "$tmp/full.pcapng")))" "0 1"
for options in -nn "-nn -vvv" "--count --pname zzcmd" "-nn --uid 4200001" "-nn --container-name zzcontainer"; do
	# shellcheck disable=SC2086
	is "compact $options" "$("$program" -r "$tmp/compact.pcapng" $options 2>/dev/null | md5sum)" \
		"$("$program" -r "$tmp/full.pcapng" $options 2>/dev/null | md5sum)"
done
run -r "$tmp/compact.pcapng" -w "$tmp/copy.pcapng"
is compact_copy_is_identical "$STATUS $(cmp "$tmp/compact.pcapng" "$tmp/copy.pcapng" && echo same)" "0 same"
for expression in tcp "not udp port 53"; do
	"$program" -r "$tmp/compact.pcapng" -w "$tmp/copy.pcapng" "$expression" 2>/dev/null
	"$program" -r "$tmp/full.pcapng" -w "$tmp/selected.pcapng" "$expression" 2>/dev/null
	is "compact_selected $expression" "$(cmp "$tmp/copy.pcapng" "$tmp/selected.pcapng" && echo same)" same
done
refused compact_without_file "--compact-comments needs -w" -r plain.pcap --compact-comments
refused compact_pcap "--compact-comments needs -w" -r plain.pcap -w "$tmp/copy.pcap" --compact-comments

# tcpdump's words for wrong use.
refused unknown_letter "invalid option -- 'k'" -r plain.pcap -k
refused unknown_name "unrecognized or ambiguous option '--foo'" -r plain.pcap --foo
refused missing_value "option requires an argument -- 'c'" -r plain.pcap -c
refused missing_value_after_a_flag "option requires an argument -- 'c'" -r plain.pcap -nc
refused missing_value_of_a_word "option '--snapshot-length' requires an argument" -r plain.pcap --snapshot-length
refused value_of_a_switch "--count=3: the value must be true or false" -r plain.pcap --count=3
refused value_of_a_letter "-e=x: the value must be true or false" -r plain.pcap -e=x
refused value_of_a_counter "--verbose=true: the value must be a number" -r plain.pcap --verbose=true
refused no_value_of_a_letter "--verbose=: the value must be a number" -r plain.pcap -v=
refused value_of_nothing "invalid option -- '='" -r plain.pcap -v -=2
refused terminal_controls "can't open a\\\\xc2\\\\x9bb\\\\x1bc: No such file or directory" -r plain.pcap -F $'a\u009bb\ec'
refused no_filter_file "can't open no-such-filter: No such file or directory" -r plain.pcap -F no-such-filter
run -r plain.pcap -G 0 -w "$tmp/copy.pcap"
is no_rotation "$STATUS $(cmp plain.pcap "$tmp/copy.pcap" && echo same)" "0 same"
for flag in L J I; do
	run -r plain.pcap -nn -$flag
	is "no_interface_to_ask_with_$flag" "$STATUS $(md5sum <"$tmp/out")" \
		"0 $("$program" -r plain.pcap -nn 2>/dev/null | md5sum)"
done

# What was meant, where nothing comes of it; --log-level error keeps it back.
hints() { grep -c '^ptcpdump: ' "$tmp/err"; }
run -r plain.pcap ip.addr == 10.0.0.1
is hint_display_filter "$STATUS $(grep -c "here: 'host 10.0.0.1'" "$tmp/err")" "1 1"
for filter in 'http.host == "x"' 'http.host matches x' 'udp.port in {53 123}' 'frame.len gt 100'; do
	run -r plain.pcap "$filter"
	is "hint_display_filter ($filter)" "$STATUS $(grep -c "display filter of Wireshark; expressions" "$tmp/err")" "1 1"
done
run cat -s /etc/passwd
is hint_options_of_a_command "$STATUS $(grep -c 'invalid snaplen' "$tmp/err") $(grep -c 'ptcpdump -- cat ...$' "$tmp/err")" "1 1 1"
run host -s /etc/passwd
is no_hint_for_an_expression "$STATUS $(hints)" "1 1"
run -r plain.pcap tcp and and
is no_hint_for_other_errors "$STATUS $(hints)" "1 1"
run -r plain.pcap --pname curl
is hint_no_processes "$STATUS $(grep -c 'no packet of plain.pcap says whose it is' "$tmp/err")" "0 1"
run -r plain.pcap --pname curl --log-level error
is hint_not_when_quiet "$STATUS $(hints)" "0 0"
run -r annotated.pcapng --pname nobody
is no_hint_with_processes "$STATUS $(hints)" "0 0"
untold() { # NAME CONTEXT EXPECTED OPTIONS...
	"$program" -r annotated.pcapng --context "$2" -w "$tmp/untold.pcapng" 2>/dev/null
	run -r "$tmp/untold.pcapng" "${@:4}"
	is "hint_$1" "$STATUS $(wc -l <"$tmp/out") $(hints) $(grep -c "no packet of $tmp/untold.pcapng $3" "$tmp/err")" "0 0 1 1"
}
untold no_users process 'tells of a user: --uid finds' --uid root
untold no_users_by_number process 'tells of a user: --uid finds' --uid 4200001 --pid 4000001
untold no_pids user 'tells of a process: --pid and' --pid 4000001
untold no_names user,container 'tells of a process: --pid and' --pname zzcmd
untold no_containers process 'tells of a container: ' --container-name zzcontainer
untold no_pods process,container 'tells of a pod: ' --pod-name zzpod.zzspace
untold no_parents process 'tells of parents: -f finds' -f --pname zzparent
untold nothing "" 'says whose it is' --uid root
run -r annotated.pcapng -f --pname zzparent --uid 4200001 --container-name zzcontainer --pod-name zzpod.zzspace
is no_hint_with_all "$STATUS $(hints) $(grep -c . "$tmp/out" | sed 's/[1-9][0-9]*/some/')" "0 0 some"
run -r annotated.pcapng --container-name nothing
is hint_containers_of_the_file "$STATUS $(hints) $(grep -c "no container of annotated.pcapng matches; there is 'zzcontainer' of pod 'zzpod.zzspace'$" "$tmp/err")" "0 1 1"
run -r annotated.pcapng --container-name zzcontianer
is hint_container_misspelt "$STATUS $(hints) $(grep -c "'zzcontianer': did you mean 'zzcontainer'?$" "$tmp/err")" "0 2 1"
run -r annotated.pcapng --pod-name zzpod
is hint_pod_of_another_namespace "$STATUS $(hints) $(grep -c "'zzpod': did you mean 'zzpod.zzspace'?$" "$tmp/err")" "0 2 1"
run -r annotated.pcapng --namespace zzspce,zzspace --image zzimge
is hint_image_and_namespace "$STATUS $(hints) $(grep -c "image 'zzimge': did you mean 'zzimage'?$" "$tmp/err")" "0 2 1"
run -r annotated.pcapng --pod-name zzpod --namespace other,zzspace
is no_hint_of_several_namespaces "$STATUS $(hints)" "0 0"
run -r annotated.pcapng --container-name zzcontainer --pname nobody
is no_hint_when_others_turn_it_down "$STATUS $(hints)" "0 0"
"$program" -r annotated.pcapng -c 1 --context process -w "$tmp/one.pcapng" 2>/dev/null
"$program" -r annotated.pcapng -c 1 -w "$tmp/two.pcapng" 2>/dev/null
printf '%s\n' "$tmp/one.pcapng" "$tmp/two.pcapng" >"$tmp/list"
run -V "$tmp/list" --container-name zzcontainr
is hint_containers_of_the_second_file "$STATUS $(hints) $(grep -c "'zzcontainr': did you mean 'zzcontainer'?$" "$tmp/err")" "0 2 1"
run -r annotated.pcapng --container-name zzcontainr -c 1
is hint_all_was_read "$STATUS $(hints)" "0 2"
run -r annotated.pcapng --container-name zzcontainr,zzcontainer -c 1
is no_hint_before_all_was_read "$STATUS $(hints)" "0 0"
run -r annotated.pcapng -w "$tmp/lost.pcap"
is hint_pcap_keeps_no_processes "$STATUS $(hints) $(grep -c 'a pcap file keeps no processes' "$tmp/err")" "0 1 1"
run -r plain.pcap -w "$tmp/nothing-lost.pcap"
is no_hint_when_nothing_is_lost "$STATUS $(hints)" "0 0"

# Lists. With -S, since the conversations of one file go on in the next.
refused no_list "Unable to open file: no-such-list: No such file or directory" -V no-such-list
refused empty_list "Nothing in $tmp/empty" -V "$tmp/empty"
echo no-such-file >"$tmp/list"
refused list_of_no_file "no-such-file: No such file or directory" -V "$tmp/list"
printf '%s\n' plain.pcap annotated.pcapng "$tmp/raw.pcap" >"$tmp/list"
{
	for f in plain.pcap annotated.pcapng "$tmp/raw.pcap"; do "$program" -nnS -r "$f" 2>/dev/null; done
} >"$tmp/each"
run -nnS -V "$tmp/list"
is list "$STATUS $(md5sum <"$tmp/out")" "0 $(md5sum <"$tmp/each")"
is list_banners "$(sed 's/,.*//' "$tmp/err")" "$(sed 's/^/reading from file /' "$tmp/list")"
is list_from_stdin "$("$program" -nnS -V - <"$tmp/list" 2>/dev/null | md5sum)" "$(md5sum <"$tmp/each")"
is list_without_last_newline "$(printf %s "$(cat "$tmp/list")" | "$program" -nnS -V - 2>/dev/null | md5sum)" "$(md5sum <"$tmp/each")"
# shellcheck disable=SC2094
"$program" -nnS -V "$tmp/list" >"$tmp/both" 2>&1
is list_text_and_banners_in_order "$(grep -n reading "$tmp/both" | cut -d: -f1 | tr '\n' ' ')" \
	"1 $(($(lines=$("$program" -nnS -r plain.pcap 2>/dev/null | wc -l); echo "$lines") + 2)) $(($("$program" -nnS -r plain.pcap 2>/dev/null | wc -l) + $("$program" -nnS -r annotated.pcapng 2>/dev/null | wc -l) + 3)) "
run -nnS -c 2 -V "$tmp/list"
is count_in_each_file "$STATUS $(wc -l <"$tmp/out")" "0 5"
run -V "$tmp/list" -w "$tmp/all.pcapng"
is list_to_pcapng "$STATUS $("$program" -nnS -r "$tmp/all.pcapng" 2>/dev/null | md5sum)" "0 $(md5sum <"$tmp/each")"
run -V "$tmp/list" -w "$tmp/all.pcap"
is list_to_pcap "$STATUS $(tail -n 1 "$tmp/err" | grep -c 'raw.pcap: new dlt does not match original')" "1 1"
printf '%s\n' cut.pcapng plain.pcap >"$tmp/list"
run -nnS --count -V "$tmp/list"
is goes_on_after_a_broken_file "$STATUS $(grep -c 'truncated' "$tmp/err") $(grep -c '^reading' "$tmp/err")" "1 1 2"
printf '%s\n' plain.pcap no-such-file plain.pcap >"$tmp/list"
run -nnS -V "$tmp/list"
is ends_at_a_missing_file "$STATUS $(grep -c '^reading' "$tmp/err") $(grep -c 'no-such-file: No such' "$tmp/err")" "1 1 1"
for _ in $(seq 1100); do echo plain.pcap; done >"$tmp/list"
run -nnS --count -V "$tmp/list"
is many_files "$STATUS $(cat "$tmp/out")" "0 $((1100 * $("$program" -r plain.pcap --count 2>/dev/null | cut -d' ' -f1))) packets"
end_test
