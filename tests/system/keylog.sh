#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# TLS secrets of a command: written to a file, and saved ahead of the packets that need them.
# shellcheck disable=SC2086 # $CURL is words
# shellcheck source=tests/system/hosts.lib.sh
. "$(dirname "$0")/hosts.lib.sh"

why=$(lacks openssl curl tshark)
[ -z "$why" ] || skip_all "$why" keylog
if ! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=zz -keyout "$TEST_TMP/key" \
	-out "$TEST_TMP/cert" 2>/dev/null; then
	bad certificate openssl
	end_test
fi
(cd "$TEST_TMP" && echo "what only the keys can tell" >secret.txt &&
	exec ip netns exec "$NS" openssl s_server -quiet -accept 443 -cert cert -key key -WWW) >/dev/null 2>&1 &
CURL="curl -sk --noproxy * --connect-timeout 5 --max-time 10 https://$THERE/secret.txt"
set -f
wait_for 5 $CURL -o /dev/null
is server $? 0

# The request of one end and the answer of the other, with which newer ones show the request again.
decrypted() { # FILE [OPTION]...
	local file=$1
	shift
	tshark -r "$file" "$@" -d tcp.port==443,tls -o http.desegment_body:FALSE -Y 'http.request or http.response' -T fields \
		-e http.request.uri -e http.response.code 2>/dev/null | tr '\t' '\n' | grep . | uniq | paste -sd' '
}

secrets() { # FILE: what its decryption secrets blocks hold
	grep -ac 'CLIENT_TRAFFIC_SECRET_0 ' "$1"
}

# A killed one cannot remove its folder: the next does, but not one that is in use, and nothing it does not know.
export TMPDIR=$TEST_TMP/tmp
mkdir "$TMPDIR"
for folder in killed in_use others; do
	mkdir -m 711 "$TMPDIR/ptcpdump-${folder:0:6}"
	touch "$TMPDIR/ptcpdump-${folder:0:6}/keys"
done
touch "$TMPDIR/ptcpdump-others/file"
find "$TMPDIR" -mindepth 1 -maxdepth 1 -exec touch -d '2 minutes ago' {} +
exec 9<"$TMPDIR/ptcpdump-in_use"
flock -s 9
chmod 755 "$TEST_TMP"
chmod 1777 "$TMPDIR"
"$PTCPDUMP" -i "$LINK" --embed-keylog-to-pcapng -w "$TEST_TMP/stale.pcapng" -- true >/dev/null 2>&1 9<&-
is removes_what_was_killed "$(find "$TMPDIR" -maxdepth 1 -name 'ptcpdump-*' -printf '%f\n' | sort | xargs)" "ptcpdump-in_use ptcpdump-others"
exec 9<&-
unset TMPDIR

before=$(find /tmp "${TMPDIR:-/tmp}" -maxdepth 1 -name 'ptcpdump-??????' | sort -u)
for version in 1.2 1.3; do
	max="--tls-max $version"
	file=$TEST_TMP/$version.pcapng
	is "tls_${version}_output" "$("$PTCPDUMP" -i "$LINK" --embed-keylog-to-pcapng -w "$file" -- $CURL $max 2>"$TEST_TMP/err")" \
		"what only the keys can tell"
	is "tls_${version}_decrypted" "$(decrypted "$file")" "/secret.txt 200"
	check "tls_${version}_reads_back" grep -q ' curl\.[0-9]*' <("$PTCPDUMP" -nr "$file" 2>/dev/null)
	"$PTCPDUMP" -r "$file" -w "$TEST_TMP/rewritten.pcapng" 2>/dev/null
	check "tls_${version}_rewritten" cmp "$file" "$TEST_TMP/rewritten.pcapng"
done

"$PTCPDUMP" -i "$LINK" --write-keylog-file "$TEST_TMP/keys" -w "$TEST_TMP/plain.pcap" -- $CURL >/dev/null 2>&1
is file_decrypts "$(decrypted "$TEST_TMP/plain.pcap" -o "tls.keylog_file:$TEST_TMP/keys")" "/secret.txt 200"
is file_is_private "$(stat -c %a "$TEST_TMP/keys")" 600
is file_holds_secrets_only "$(grep -cvE '^[A-Z0-9_]+ [0-9a-f]+ [0-9a-f]+$' "$TEST_TMP/keys")" 0
n=$(wc -l <"$TEST_TMP/keys")
SUDO_UID=65534 SUDO_GID=65534 "$PTCPDUMP" -i "$LINK" --write-keylog-file "$TEST_TMP/keys" -- $CURL >/dev/null 2>&1
is file_is_appended_to "$(wc -l <"$TEST_TMP/keys")" $((2 * n))
SUDO_UID=65534 SUDO_GID=65534 "$PTCPDUMP" -i "$LINK" --write-keylog-file "$TEST_TMP/user.keys" -- $CURL >/dev/null 2>&1
is file_of_the_user "$(stat -c %u:%g "$TEST_TMP/user.keys") $(wc -l <"$TEST_TMP/user.keys")" "65534:65534 $n"

# Only a file of root or of the command's user is appended to, and it has one name.
for whose in 0:somebody 65534:another; do
	printf 'theirs\n' >"$TEST_TMP/given.keys"
	chown "${whose%:*}" "$TEST_TMP/given.keys"
	ln "$TEST_TMP/given.keys" "$TEST_TMP/two.keys"
	SUDO_UID=${SUDO_UID:-} "$PTCPDUMP" -i "$LINK" --write-keylog-file "$TEST_TMP/given.keys" -- $CURL >/dev/null 2>"$TEST_TMP/err"
	is "file_with_two_names_${whose%:*}" "$? $(cat "$TEST_TMP/two.keys") $(grep -c "given.keys': \(has other names\|belongs\)" "$TEST_TMP/err")" \
		"1 theirs 1"
	rm "$TEST_TMP/given.keys" "$TEST_TMP/two.keys"
done
mkdir -m 1777 "$TEST_TMP/all"
for how in file link fifo; do
	rm -f "$TEST_TMP/all/keys"
	case $how in
	file) touch "$TEST_TMP/all/keys" ;;
	link) printf 'theirs\n' >"$TEST_TMP/private" && ln -s "$TEST_TMP/private" "$TEST_TMP/all/keys" ;;
	fifo) mkfifo "$TEST_TMP/all/keys" ;;
	esac
	chown -h 12345 "$TEST_TMP/all/keys"
	[ $how != fifo ] || timeout 20 cat "$TEST_TMP/all/keys" >"$TEST_TMP/stolen" &
	timeout 20 "$PTCPDUMP" -i "$LINK" --write-keylog-file "$TEST_TMP/all/keys" -- $CURL >/dev/null 2>"$TEST_TMP/err"
	is "others_$how" "$?$(grep -q "all/keys': \(belongs to somebody else\|Permission denied\)" "$TEST_TMP/err" || cat "$TEST_TMP/err")" 1
	is "nothing_in_others_$how" "$(cat "$TEST_TMP/private" "$TEST_TMP/stolen" 2>/dev/null; [ $how = fifo ] || grep -c SECRET "$TEST_TMP/all/keys")" \
		"$(case $how in file) echo 0 ;; link) printf 'theirs\n0' ;; fifo) echo theirs ;; esac)"
done
touch "$TEST_TMP/loose.keys"
"$PTCPDUMP" -i "$LINK" --write-keylog-file "$TEST_TMP/loose.keys" -- true 2>"$TEST_TMP/err"
is says_that_others_may_read "$(grep -c 'others may read it' "$TEST_TMP/err")" 1

# Killed, nothing of the secrets is left, nor a process that holds them.
# shellcheck disable=SC2016
"$PTCPDUMP" -i "$LINK" --write-keylog-file "$TEST_TMP/killed.keys" -- \
	sh -c 'echo "CLIENT_RANDOM 0011 2233" >>"$SSLKEYLOGFILE"; echo "$SSLKEYLOGFILE" >"$1"; exec sleep 20' sh "$TEST_TMP/name" >/dev/null 2>&1 &
PID=$!
wait_for 5 test -s "$TEST_TMP/name"
name=$(cat "$TEST_TMP/name") holder=$(cut -d / -f 3 "$TEST_TMP/name")
check secrets_are_there test -s "$name"
is only_its_user_opens_it "$(stat -Lc '%u %a' "$name") $(setpriv --reuid 65534 --clear-groups cat "$name" 2>&1 | grep -c denied)" "0 600 1"
sleeper=$(pgrep -P "$PID" sleep)
kill -KILL "$PID"
wait "$PID" 2>/dev/null
wait_for 2 gone "$holder"
check killed_holds_no_secrets test ! -e "$name"
kill "$sleeper"

# What the command writes there is checked line by line.
# shellcheck disable=SC2016
"$PTCPDUMP" -i "$LINK" --write-keylog-file "$TEST_TMP/odd.keys" -- sh -c '
	printf "# comment\nCLIENT_RANDOM 00 xx\nCLIENT_RANDOM 0011 2233\nCLIENT_RANDOM 0011\nrm -rf\n%01000d\nEARLY_SECRET 00 11\r\nCLIENT_RANDOM 00" 0 >>"$SSLKEYLOGFILE"
	printf "55 66\nhalf" >>"$SSLKEYLOGFILE"' >/dev/null 2>&1
is only_secrets "$(tr '\n' ';' <"$TEST_TMP/odd.keys")" "CLIENT_RANDOM 0011 2233;EARLY_SECRET 00 11;CLIENT_RANDOM 0055 66;"

# Several connections and files: each file can be decrypted alone.
# shellcheck disable=SC2016
"$PTCPDUMP" -i "$LINK" --embed-keylog-to-pcapng -w "$TEST_TMP/part" -C 16k -- sh -c 'for i in 1 2 3 4 5 6 7 8 9; do "$@" >/dev/null; done' sh $CURL \
	2>/dev/null
set +f
parts=0
all=
for part in "$TEST_TMP"/part*; do
	parts=$((parts + 1))
	[ "$(secrets "$part")" -gt 0 ] && all="$all."
done
check several_files [ $parts -gt 1 ]
is secrets_in_every_file "${#all}" $parts
set -f

"$PTCPDUMP" -i "$LINK" --write-keylog-file "$TEST_TMP/none.keys" -- true 2>"$TEST_TMP/err"
check says_that_none_came grep -q 'no TLS secrets came from the command' "$TEST_TMP/err"

# The user's own file goes on getting the lines, and they are read there; it is the command's to make.
user=$TEST_TMP/own.keys
TMP_OPEN=$TEST_TMP/open
SSLKEYLOGFILE=$user "$PTCPDUMP" -i "$LINK" --write-keylog-file "$TEST_TMP/both.keys" --embed-keylog-to-pcapng \
	-w "$TEST_TMP/own.pcapng" -- $CURL >/dev/null 2>&1
is users_file_has_the_lines "$(wc -l <"$user")" "$n"
check users_file_is_copied cmp "$user" "$TEST_TMP/both.keys"
is users_file_decrypts "$(decrypted "$TEST_TMP/own.pcapng")" "/secret.txt 200"
mkdir -m 1777 "$TMP_OPEN"
SUDO_UID=65534 SUDO_GID=65534 SSLKEYLOGFILE=$TMP_OPEN/own.keys "$PTCPDUMP" -i "$LINK" --write-keylog-file "$TEST_TMP/sudo.keys" \
	-- $CURL >/dev/null 2>&1
is users_file_of_sudos_user "$(stat -c %u "$TMP_OPEN/own.keys") $(wc -l <"$TEST_TMP/sudo.keys")" "65534 $n"
# What others have written there is not ours, nor is a file that is there already copied again.
SSLKEYLOGFILE=$user "$PTCPDUMP" -i "$LINK" --write-keylog-file "$TEST_TMP/both.keys" -- $CURL >/dev/null 2>&1
is users_file_goes_on "$(wc -l <"$user") $(wc -l <"$TEST_TMP/both.keys")" "$((2 * n)) $((2 * n))"
SSLKEYLOGFILE=$user "$PTCPDUMP" -i "$LINK" --write-keylog-file "$user" -- $CURL >/dev/null 2>&1
is users_file_is_no_copy_of_itself "$(wc -l <"$user")" "$((3 * n))"
for words in "" "--write-keylog-file $TEST_TMP/x.keys"; do
	SSLKEYLOGFILE=$TEST_TMP/not.keys "$PTCPDUMP" -i "$LINK" $words -- true >/dev/null 2>&1
	check "users_file_is_not_made${words:+_with_another}" [ ! -e "$TEST_TMP/not.keys" ]
done

refused() { # NAME MESSAGE ARGUMENTS...
	local name=$1 message=$2
	shift 2
	"$PTCPDUMP" "$@" >"$TEST_TMP/out" 2>"$TEST_TMP/err"
	is "$name" "$?$(grep -q -- "$message" "$TEST_TMP/err" || cat "$TEST_TMP/err")" 1
}
refused no_command 'of a command: give it after "--"' -i "$LINK" --write-keylog-file "$TEST_TMP/x"
refused no_file "needs -w with the name of a pcapng file" --embed-keylog-to-pcapng -- true
refused pcap_file "needs -w with the name of a pcapng file" --embed-keylog-to-pcapng -w x.pcap -- true
SSLKEYLOGFILE=/dev/null refused odd_users_file "'/dev/null': not a regular file: unset it" --write-keylog-file "$TEST_TMP/x" -- true
refused missing_folder "/no-such-folder/keys': No such file" --write-keylog-file /no-such-folder/keys -- true

"$PTCPDUMP" -i "$LINK" -Z nobody --write-keylog-file "$TEST_TMP/z.keys" -- $CURL >/dev/null 2>"$TEST_TMP/err"
is other_user "$? $(wc -l <"$TEST_TMP/z.keys")" "0 $n"
is private_files_are_gone "$(find /tmp "${TMPDIR:-/tmp}" -maxdepth 1 -name 'ptcpdump-??????' | sort -u)" "$before"
end_test
