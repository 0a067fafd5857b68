#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Files of root where others may put links: what others have is neither overwritten nor made elsewhere, and what is usual works.
# shellcheck source=tests/system/hosts.lib.sh
. "$(dirname "$0")/hosts.lib.sh"

USER_ID=12345
export SUDO_UID=$USER_ID SUDO_GID=$USER_ID SUDO_USER=someone
chmod 755 "$TEST_TMP"
U=$TEST_TMP/user    # of the user of sudo
ROOTS=$TEST_TMP/root # root's, and nobody else may write there
mkdir "$ROOTS"
VICTIM=$ROOTS/x1

as_user() { setpriv --reuid $USER_ID --regid $USER_ID --clear-groups "$@"; }
fresh() {
	rm -rf "$U"
	mkdir -p "$U/d"
	chown -R "${1:-$USER_ID}" "$U"
	rm -f "$ROOTS"/*
	echo precious >"$VICTIM"
	chmod 600 "$VICTIM"
}
safe() { # NAME: nothing has happened to root's files, and the end was told
	is "$1" "$(ls "$ROOTS"):$(tr -d "\0" <"$VICTIM"):$(stat -c %u "$VICTIM")" "x1:precious:0"
}
refused() { # NAME MESSAGE: and the program says so
	safe "$1"
	is "${1}_is_told" "$STATUS$(grep -q "$2" "$TEST_TMP/err" || cat "$TEST_TMP/err")" 1
}
more() { # sends what the next file is begun for, until the capture ends by itself or was told to
	pings 20
	shown
	kill -INT "$PID" 2>/dev/null
	finish
}

for who in sudo -Z_nobody -Z_root -z_true; do
	read -r -a options <<<"${who//_/ }"
	[ "$who" != sudo ] || options=()
	owner=$USER_ID
	[ "$who" != -Z_nobody ] || owner=$(id -u nobody)

	fresh "$owner"
	start "${options[@]}" -i "$LINK" -nn -C 1k -w "$U/d/x" icmp
	ln -s "$VICTIM" "$U/d/x1"
	chown -h "$owner" "$U/d/x1"
	more
	refused "link_$who" "only the first file's name may be a link"

	fresh "$owner"
	start "${options[@]}" -i "$LINK" -nn -C 1k -w "$U/d/x" icmp
	ln "$VICTIM" "$U/d/x1"
	more
	refused "hard_link_$who" "d/x1: .*remove it"

	fresh "$owner"
	start "${options[@]}" -i "$LINK" -nn -C 1k -w "$U/d/x" icmp
	mv "$U/d" "$U/e"
	ln -s "$ROOTS" "$U/d"
	more
	safe "other_folder_$who"
	check "other_folder_${who}_goes_on" test -s "$U/e/x1"

	fresh "$owner"
	mkdir "$U/g%"
	chown "$owner" "$U/g%"
	start "${options[@]}" -i "$LINK" -nn -G 1 -w "$U/g%%/x1" icmp
	mv "$U/g%" "$U/e"
	ln -s "$ROOTS" "$U/g%"
	sleep 1.1
	more
	refused "folder_of_G_$who" "g%/x1: "

	fresh "$owner"
	start "${options[@]}" -i "$LINK" -nn -C 1k -W 2 -w "$U/d/x" icmp
	mv "$U/d/x0" "$U/d/y"
	ln -s "$VICTIM" "$U/d/x0"
	more
	refused "first_again_$who" "d/x0: .*remove it"

	fresh "$owner"
	start "${options[@]}" -i "$LINK" -nn -C 100m -w "$U/d/x" icmp
	ln -s "$VICTIM" "$U/d/x1"
	kill -HUP "$PID"
	wait_for 3 gone "$PID"
	more
	refused "hang_up_$who" "only the first file's name may be a link"

	# The first file: root opens it, and a sudo rule that allows this folder only is meant.
	fresh "$owner"
	ln -s "$VICTIM" "$U/first"
	chown -h "$owner" "$U/first"
	"$PTCPDUMP" "${options[@]}" -i "$LINK" -nn -c 1 ${options[0]+-C 1m} -w "$U/first" icmp >/dev/null 2>"$TEST_TMP/err"
	STATUS=$?
	refused "first_file_$who" "user/first: Permission denied"

	fresh "$owner"
	ln -s "$ROOTS" "$U/folder"
	chown -h "$owner" "$U/folder"
	"$PTCPDUMP" "${options[@]}" -i "$LINK" -nn -c 1 ${options[0]+-C 1m} -w "$U/folder/f" icmp >/dev/null 2>"$TEST_TMP/err"
	STATUS=$?
	refused "linked_folder_$who" "folder/f: Permission denied"
done

# Reading files writes as well.
fresh
start -i "$LINK" -nn -w "$ROOTS/in.pcapng" icmp
more
mv "$ROOTS/in.pcapng" "$TEST_TMP"
ln -s "$VICTIM" "$U/d/x1"
"$PTCPDUMP" -r "$TEST_TMP/in.pcapng" -C 1k -w "$U/d/x" 2>"$TEST_TMP/err"
STATUS=$?
refused reading "only the first file's name may be a link"

# What root is refused, as by fs.protected_regular in /tmp or by a server, is opened as the user of sudo, if it is that user's.
as_refused() { # FILE
	local dac=-dac_override,-dac_read_search
	setpriv --bounding-set=$dac --inh-caps=$dac "$PTCPDUMP" -r "$TEST_TMP/in.pcapng" -w "$1" >/dev/null 2>"$TEST_TMP/err"
	STATUS=$?
}
fresh
mkdir -m 1777 "$TEST_TMP/sticky"
for whose in $USER_ID 12346; do
	echo old >"$TEST_TMP/sticky/of_$whose"
	chmod 600 "$TEST_TMP/sticky/of_$whose"
	chown "$whose" "$TEST_TMP/sticky/of_$whose"
	as_refused "$TEST_TMP/sticky/of_$whose"
	is "refused_root_of_$whose" "$STATUS$(head -c 3 "$TEST_TMP/sticky/of_$whose" | tr -dc a-z)" "$([ "$whose" = $USER_ID ] && echo 0 || echo 1old)"
done

# The program of -z is root's, and what it gets to see is what was written.
fresh
printf '#!/bin/sh\necho "$1 $(id -u)" >>%s/ran\n' "$TEST_TMP" >"$TEST_TMP/after"
chmod 755 "$TEST_TMP/after"
start -i "$LINK" -nn -C 1k -z "$TEST_TMP/after" -w "$U/d/x" icmp
rm "$U/d/x"
ln -s "$VICTIM" "$U/d/x"
more
safe program
is program_is_not_sent_elsewhere "$(sort "$TEST_TMP/ran" | head -n 1)$(grep -c 'd/x" is no longer the file' "$TEST_TMP/err")" "$U/d/x1 01"

# A file system that a user serves shows what owners he likes, and calls itself what he likes.
cat >"$TEST_TMP/serve.py" <<'E'
import ctypes, os, struct, sys
where, target = sys.argv[1], sys.argv[2].encode()
fd = os.open("/dev/fuse", os.O_RDWR)
options = b"fd=%d,rootmode=40755,user_id=12345,group_id=12345,allow_other" % fd
if ctypes.CDLL(None, use_errno=True).mount(b"user_id=0", where.encode(), b"fuse", 6, options):
    sys.exit("cannot mount")
def attr(node):  # struct fuse_attr, of root
    mode, size = (0o40755, 0) if node == 1 else (0o120777, len(target))
    return struct.pack("=QQQQQQIIIIIIIIII", node, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
while True:
    request = os.read(fd, 1 << 18)
    _, op, unique, node = struct.unpack_from("=IIQQ", request)
    error, answer = 0, b""
    if op == 26:  # INIT
        answer = struct.pack("=IIIIHHIIHHI7I", 7, 31, 65536, 0, 0, 0, 65536, 0, 0, 0, 0, *[0] * 7)
    elif op == 3:  # GETATTR
        answer = struct.pack("=QII", 1000, 0, 0) + attr(node)
    elif op == 1:  # LOOKUP
        answer = struct.pack("=QQQQII", 2, 0, 1000, 1000, 0, 0) + attr(2)
    elif op == 5:  # READLINK
        answer = target
    elif op == 17:  # STATFS
        answer = bytes(80)
    elif op in (2, 42):  # FORGET
        continue
    else:
        error = -38
    os.write(fd, struct.pack("=IiQ", 16 + len(answer), error, unique) + answer)
E
fresh
mkdir "$TEST_TMP/theirs" && chown $USER_ID "$TEST_TMP/theirs"
if [ -w /dev/fuse ] && command -v python3 >/dev/null; then
	timeout -s KILL 30 python3 "$TEST_TMP/serve.py" "$TEST_TMP/theirs" "$VICTIM" 2>"$TEST_TMP/served" &
	SERVER=$!
	served() { grep -q "$TEST_TMP/theirs fuse" /proc/mounts || gone $SERVER; }
	wait_for 5 served
fi
if grep -q "$TEST_TMP/theirs fuse" /proc/mounts; then
	timeout 20 "$PTCPDUMP" -i "$LINK" -nn -c 1 -w "$TEST_TMP/theirs/link" icmp >/dev/null 2>"$TEST_TMP/err"
	STATUS=$?
	refused link_of_a_users_file_system "theirs/link: Permission denied"
	umount -l "$TEST_TMP/theirs"
	kill -KILL $SERVER 2>/dev/null
else
	skip link_of_a_users_file_system "no FUSE"
fi

# --- what is usual ---------------------------------------------------------------

one() { # NAME FILE: a capture to FILE works
	start -i "$LINK" -nn -c 1 -w "$2" icmp
	pings 1
	finish
	is "$1" "$STATUS$(grep -v 'packet\|listening' "$TEST_TMP/err")" 0
}
fresh
one new_file "$U/d/new"
is new_file_is_the_users "$(stat -c %u "$U/d/new")" $USER_ID
one again "$U/d/new"
as_user ln -s "$U/d" "$U/mine"
one users_link "$U/mine/f"
check users_link_led_there test -s "$U/d/f"
is users_link_owner "$(stat -c %u "$U/d/f")" $USER_ID
as_user ln -s d/f "$U/named"
one users_named_link "$U/named"
ln -s "$TEST_TMP" "$ROOTS/there"
one roots_link "$ROOTS/there/f"
check roots_link_led_there test -s "$TEST_TMP/f"
rm "$ROOTS/there"
(cd "$U/d" && "$PTCPDUMP" -i "$LINK" -w ../d/./relative -- true >/dev/null 2>&1)
check relative test -s "$U/d/relative"
for to in fd/5 stdout; do
	check "to_$to" test "$("$PTCPDUMP" -i "$LINK" -nn -w /dev/$to -- true 5>&1 2>/dev/null | wc -c)" -gt 100
done
"$PTCPDUMP" -i "$LINK" -w "$U/d/" -- true >/dev/null 2>"$TEST_TMP/err"
is a_folder "$?$(grep -c 'Is a directory' "$TEST_TMP/err")" 11
"$PTCPDUMP" -i "$LINK" -w "$U/none/x" -- true >/dev/null 2>"$TEST_TMP/err"
is no_folder "$?$(grep -c 'create the folder' "$TEST_TMP/err")" 11
mkdir "$U/d/%"
chown $USER_ID "$U/d/%"
start -i "$LINK" -nn -C 1k -G 100 -W 3 -w "$U/d/%%/x" icmp
more
is folders_of_G "$STATUS $(stat -c %u "$U/d/%"/x* | sort -u)" "0 $USER_ID"
end_test
