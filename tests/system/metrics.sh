#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# --metrics: promtool finds nothing to say of the file, node_exporter serves it, it is replaced as a whole and on time, by a
# process that outlives nobody, where only root may write, and where it may not be written, nothing begins.
# shellcheck source=tests/system/hosts.lib.sh
. "$(dirname "$0")/hosts.lib.sh"

why=$(lacks promtool prometheus-node-exporter curl setpriv)
[ -z "$why" ] || skip_all "$why" metrics

hosts_cleanup=$(declare -f cleanup)
eval "hosts_$hosts_cleanup"
cleanup() {
	hosts_cleanup
	umount "$TEST_TMP/small" 2>/dev/null
}

chmod 755 "$TEST_TMP"
FOLDER=$TEST_TMP/textfile
FILE=$FOLDER/ptcpdump.prom
mkdir -m 755 "$FOLDER"

# The value of the series of a text that match: their sum.
value() { # FILE PATTERN
	grep "^$2" "$1" | awk '{ n += $NF } END { print n + 0 }'
}
metrics_process() { pgrep -x -P "$1" ptcpdump-metric; }
clean() { # NAME FILE
	is "$1" "$(promtool check metrics <"$2" 2>&1)" ""
}
sums() { # FILE: "PACKETS BYTES"
	echo "$(value "$1" 'ptcpdump_packets_total{') $(value "$1" 'ptcpdump_bytes_total{')"
}

# --- live, in a folder where only root may write, as nobody ----------------------------------------------------------------

start -Z nobody -i "$LINK" --metrics "$FILE" --metrics-interval 1 icmp
is user "$(stat -c %U "/proc/$PID")" nobody
writer=$(metrics_process "$PID")
is writer_stays_root "$(sed -n 's/^Uid:\t//p' "/proc/$writer/status")" "0	0	0	0"
is writer_has_one_socket_and_a_folder "$(find "/proc/$writer/fd" -mindepth 1 -printf '%l\n' | grep -vc '^/dev/null$\|^socket:\|/err$')" 1
pings 20
has_40() { [ "$(value "$FILE" 'ptcpdump_packets_total{process="ping"')" -eq 40 ]; }
wait_for 5 has_40
is counts_both_ways "$(value "$FILE" 'ptcpdump_packets_total{process="ping".*direction="in"}') $(value "$FILE" \
	'ptcpdump_packets_total{process="ping".*direction="out"}')" "20 20"
is bytes "$(value "$FILE" 'ptcpdump_bytes_total{process="ping"')" $((40 * 98))
clean promtool_has_nothing_to_say "$FILE"
is anybody_may_read "$(stat -c '%a %U' "$FILE")" "644 root"
is nothing_else_is_left "$(ls "$FOLDER")" ptcpdump.prom

# A real node_exporter serves it, every series of it, as another user, and finds no fault.
port=$((20000 + $$ % 20000))
# shellcheck disable=SC2154 # of tests/lib.sh
setpriv --reuid 65534 --clear-groups "${dies_with_us[@]}" prometheus-node-exporter --collector.disable-defaults --collector.textfile \
	--collector.textfile.directory "$FOLDER" --web.listen-address "127.0.0.1:$port" >"$TEST_TMP/exporter" 2>&1 &
exporter=$!
served() { curl -sf --noproxy '*' --max-time 5 "http://127.0.0.1:$port/metrics" >"$TEST_TMP/served"; }
wait_for 10 served
# Between two renewals.
same_as_file() { served && grep '^ptcpdump_' "$TEST_TMP/served" | sort >"$TEST_TMP/a" && grep '^ptcpdump_' "$FILE" | sort >"$TEST_TMP/b" &&
	names "$TEST_TMP/a" >"$TEST_TMP/names.a" && names "$TEST_TMP/b" >"$TEST_TMP/names.b" && cmp -s "$TEST_TMP/names.a" "$TEST_TMP/names.b"; }
# node_exporter sorts labels and leaves none out: what is compared is the families and how many series each has, and the sums.
names() { awk '{ sub(/[{ ].*/, ""); n[$0]++ } END { for (i in n) print i, n[i] }' "$1" | sort; }
check node_exporter_serves_all wait_for 5 same_as_file
is node_exporter_serves_values "$(sums "$TEST_TMP/served")" "$(sums "$FILE")"
is node_exporter_finds_no_error "$(sed -n 's/^node_textfile_scrape_error //p' "$TEST_TMP/served")" 0
is node_exporter_knows_the_age "$(grep -c "^node_textfile_mtime_seconds{file=\"$FILE\"}" "$TEST_TMP/served")" 1

# --- replaced as a whole, on time --------------------------------------------------------------------------------------------

: >"$TEST_TMP/reading"
(
	while [ -e "$TEST_TMP/reading" ]; do
		cp "$FILE" "$TEST_TMP/copy"
		tail -n 1 "$TEST_TMP/copy"
	done >"$TEST_TMP/lasts" 2>"$TEST_TMP/lasts.err"
) &
reader=$!
inode_of() { stat -c %i "$FILE"; }
renewals=0 since=$(now_ms) old=$(inode_of)
until [ $renewals -eq 4 ] || [ $(($(now_ms) - since)) -gt 15000 ]; do
	new=$(inode_of)
	[ "$new" = "$old" ] || renewals=$((renewals + 1))
	old=$new
	sleep 0.05
done
took=$(($(now_ms) - since))
rm "$TEST_TMP/reading"
wait $reader
is renewed_again_and_again $renewals 4
# Three whole intervals are between the first and the fourth.
check not_more_often_than_asked test $took -ge 2800
at_most as_often_as_asked $took 8000
is never_half_a_file "$(sort -u "$TEST_TMP/lasts" | grep -vc '^ptcpdump_build_info{.*} 1$') $(cat "$TEST_TMP/lasts.err")" "0 "

# --- the end -------------------------------------------------------------------------------------------------------------------

kill -INT "$PID"
finish
is status "$STATUS" 0
is prints_no_packets "$(wc -c <"$TEST_TMP/out")" 0
check writer_ends gone "$writer"
kill $exporter
start -i "$LINK" --metrics "$FILE" --metrics-interval 1000 icmp
pings 5
shown
kill -INT "$PID"
finish
is updated_at_the_end "$(value "$FILE" 'ptcpdump_packets_total{process="ping"')" 10
is counted_packets "$(value "$FILE" ptcpdump_captured_packets_total) $(value "$FILE" ptcpdump_dropped_packets_total)" "10 0"
clean promtool_at_the_end "$FILE"

# With -w, packets go the usual way; both have the same.
start -i "$LINK" --metrics "$FILE" -w "$TEST_TMP/x.pcapng" icmp
pings 5
shown
kill -INT "$PID"
finish
is with_a_file "$(value "$FILE" 'ptcpdump_packets_total{process="ping"') $("$PTCPDUMP" -nr "$TEST_TMP/x.pcapng" 2>/dev/null | wc -l)" "10 10"

# A stream in which nothing comes: what has come is told all the same.
mkfifo "$TEST_TMP/in"
: >"$TEST_TMP/err"
"$PTCPDUMP" -r "$TEST_TMP/in" --metrics "$FILE" --metrics-interval 1 2>"$TEST_TMP/err" &
PID=$!
exec 3>"$TEST_TMP/in"
head -c -10 "$TOP/tests/golden/annotated.pcapng" >&3
some_are_told() { [ "$(value "$FILE" 'ptcpdump_packets_total{process="zzcmd"')" -gt 5 ]; }
check silent_stream_is_told wait_for 5 some_are_told
kill -INT "$PID"
finish
exec 3>&-
is silent_stream_ends "$STATUS" 0

for signal in KILL TERM; do
	start -Z nobody -i "$LINK" --metrics "$FILE" icmp
	writer=$(metrics_process "$PID")
	kill -$signal "$PID"
	wait "$PID" 2>/dev/null
	check "nobody_is_left_after_$signal" wait_for 5 gone "$writer"
done
# Nor is packets' printer, which has what its parent had.
start -i "$LINK" --print --metrics "$FILE" icmp
writer=$(metrics_process "$PID")
kill -KILL "$PID"
wait "$PID" 2>/dev/null
check nobody_is_left_with_text wait_for 5 gone "$writer"

# The end of the process that writes is the end of the run, which says so.
start -i "$LINK" --metrics "$FILE" --metrics-interval 1 icmp
kill -KILL "$(metrics_process "$PID")"
wait_for 10 gone "$PID" || kill "$PID"
finish
is writer_killed "$STATUS $(grep -c 'the process that writes the file of --metrics is gone' "$TEST_TMP/err")" "1 1"

# --- what is refused -----------------------------------------------------------------------------------------------------------

refused() { # NAME MESSAGE COMMAND...
	local name=$1 message=$2 status
	shift 2
	timeout 20 "$@" >"$TEST_TMP/out" 2>"$TEST_TMP/err"
	status=$?
	is "$name" "$status $(grep -c "$message" "$TEST_TMP/err") $(grep -c 'listening on' "$TEST_TMP/err")" "1 1 0"
}
ptcpdump=("$PTCPDUMP" -i "$LINK" -c 1)
refused no_such_folder "can't write to '.*none/x.prom': No such file" "${ptcpdump[@]}" --metrics "$FOLDER/none/x.prom"
refused folder_is_no_folder "can't write to '.*: Not a directory" "${ptcpdump[@]}" --metrics "$FILE/x.prom"
refused folder_of_the_kernel "can't write to '/proc/x.prom': " "${ptcpdump[@]}" --metrics /proc/x.prom
refused folder_of_root "can't \(write to\|read\) '.*: Permission denied" setpriv --reuid 65534 --clear-groups "$PTCPDUMP" \
	-r "$TOP/tests/golden/plain.pcap" --metrics "$FOLDER/x.prom"
# What is not ours stays.
echo 'important 1' >"$FOLDER/theirs"
ln -s /dev/null "$FOLDER/link"
ln -s nowhere "$FOLDER/dangling"
mkdir "$FOLDER/folder"
mkfifo "$FOLDER/fifo"
for what in theirs link dangling folder fifo; do
	refused "not_ours_$what" "textfile/$what' is not a file of --metrics" "${ptcpdump[@]}" --metrics "$FOLDER/$what"
done
refused not_ours_device "'/dev/null' is not a file of --metrics" "${ptcpdump[@]}" --metrics /dev/null
is what_is_not_ours_stays "$(cat "$FOLDER/theirs") $(stat -c %F "$FOLDER/link" "$FOLDER/folder" "$FOLDER/fifo" /dev/null | xargs)" \
	"important 1 symbolic link directory fifo character special file"
refused same_file "name the same file" "${ptcpdump[@]}" --metrics "$FILE" -w "$FILE"

# A link at the name in between is removed, not followed, and no other user's file is written.
rm -rf "${FOLDER:?}"/*
mkdir -m 1777 "$TEST_TMP/all"
echo theirs >"$TEST_TMP/target"
for how in 0 12345; do
	for folder in "$FOLDER" "$TEST_TMP/all"; do
		ln -s "$TEST_TMP/target" "$folder/x.prom.tmp"
		chown -h $how "$folder/x.prom.tmp"
		"$PTCPDUMP" -r "$TOP/tests/golden/plain.pcap" --metrics "$folder/x.prom" 2>"$TEST_TMP/err"
		is "link_is_not_followed_$how $(basename "$folder")" "$? $(cat "$TEST_TMP/target") $(ls "$folder")" "0 theirs x.prom"
		rm -f "$folder"/x.prom*
	done
done
# Through a link of somebody else's nothing is replaced with root's rights.
ln -s "$FOLDER" "$TEST_TMP/all/away"
chown -h 12345 "$TEST_TMP/all/away"
refused link_of_others_on_the_way "can't write to '.*/away/x.prom': " "${ptcpdump[@]}" --metrics "$TEST_TMP/all/away/x.prom"
is nothing_behind_it "$(ls "$FOLDER")" ""

# A full disk keeps the old file; it is said once, and the run goes on.
mkdir "$TEST_TMP/small"
if mount -t tmpfs -o size=64k,mode=755 tmpfs "$TEST_TMP/small" 2>/dev/null; then
	start -i "$LINK" --metrics "$TEST_TMP/small/x.prom" --metrics-interval 1 icmp
	pings 2
	wait_for 5 grep -q '"ping"' "$TEST_TMP/small/x.prom"
	dd if=/dev/zero of="$TEST_TMP/small/fill" bs=1k 2>/dev/null
	wait_for 5 grep -q "No space left on device; it is tried again" "$TEST_TMP/err"
	sleep 2
	is full_disk_is_said_once "$(grep -c 'No space left' "$TEST_TMP/err")" 1
	clean full_disk_keeps_the_old_one "$TEST_TMP/small/x.prom"
	rm "$TEST_TMP/small/fill"
	pings 3
	again() { [ "$(value "$TEST_TMP/small/x.prom" 'ptcpdump_packets_total{process="ping"')" -eq 10 ]; }
	check goes_on_when_there_is_room wait_for 5 again
	kill -INT "$PID"
	finish
	is full_disk_status "$STATUS" 0
	umount "$TEST_TMP/small"
else
	skip full_disk "no tmpfs can be mounted here"
fi
end_test
