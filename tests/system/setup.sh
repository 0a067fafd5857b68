#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# scripts/setup.sh starts and enables no service of what it installs, and leaves those alone that are there. With a made-up
# apt-get, in a mount namespace whose /etc and /usr/sbin are copies.
. "$(dirname "$0")/../lib.sh"

why=$(lacks unshare)
[ -z "$why" ] || skip_all "$why" setup

bin=$TEST_TMP/bin
units=/etc/systemd/system/multi-user.target.wants
policy=/usr/sbin/policy-rc.d
mkdir -p "$bin"

fake() { # NAME: its text comes from standard input
	{
		echo '#!/bin/bash'
		cat
	} >"$bin/$1"
	chmod 755 "$bin/$1"
}

# What runs in the namespace: NAME, and what is looked at then.
within() {
	local name=$1 before after status
	shift
	for place in /etc /usr/sbin; do
		mkdir -p "$TEST_TMP/tmpfs$place" && mount -t tmpfs none "$TEST_TMP/tmpfs$place" &&
			mkdir "$TEST_TMP/tmpfs$place/upper" "$TEST_TMP/tmpfs$place/work" &&
			mount -t overlay -o "lowerdir=$place,upperdir=$TEST_TMP/tmpfs$place/upper,workdir=$TEST_TMP/tmpfs$place/work" none $place || exit 77
	done
	mkdir -p $units /etc/rc2.d
	rm -f $units/getty@tty1.service
	rm -f $policy
	"$@"
	before=$(state)
	: >"$TEST_TMP/policy"
	PATH=$bin:$PATH sh "$TOP/scripts/setup.sh" test >"$TEST_TMP/out" 2>"$TEST_TMP/err"
	status=$?
	is "$name leaves_systemds_own" "$(ls $units/getty@tty1.service)" $units/getty@tty1.service
	rm $units/getty@tty1.service
	after=$(state)
	is "$name status" "$status" "$WANT_STATUS"
	is "$name starts_nothing" "$(cat "$TEST_TMP/policy")" 101
	is "$name all_as_before" "$after" "$before"
	is "$name tells" "$(grep -c 'not enabled.* new.service new.socket$' "$TEST_TMP/out")" 1
}
state() {
	find /etc/systemd/system /etc/rc2.d | sort
	ls -l $policy* 2>/dev/null
	cat $policy 2>/dev/null
}

nothing_there() { :; }
# A service that runs, a policy of the machine's own, and what a killed run has left.
running() { ln -s /lib/systemd/system/old.service $units/; ln -s ../init.d/old /etc/rc2.d/S01old; }
own_policy() { printf '#!/bin/sh\nexit 0\n' >$policy; chmod 700 $policy; running; }
linked_policy() { ln -s /etc/hostname $policy; }

if [ "${1:-}" = within ]; then
	shift
	within "$@"
	end_test
fi

# All that is to be had is missing; what comes has a unit of systemd's own with it.
fake dpkg-query <<<'[ "$*" = "-L systemd" ] && echo /lib/systemd/system/getty@.service'
fake apt-cache <<<'echo "  Candidate: 1"'
fake systemctl <<<'exit 1'
fake apt-get <<END
case \$* in
"install -s"*) echo "Inst one" ;;
install*)
	[ "\${LC_ALL:-} \${DEBIAN_FRONTEND:-}" = "C noninteractive" ] || exit 1
	$policy new start >/dev/null 2>&1
	echo \$? >"$TEST_TMP/policy"
	ln -s /lib/systemd/system/new.service /lib/systemd/system/new.socket $units/
	ln -s /lib/systemd/system/getty@.service $units/getty@tty1.service
	ln -s ../init.d/new /etc/rc2.d/S02new
	echo "Unpacking new (1.0) ..."
	exit "\$APT_STATUS"
	;;
esac
END
fake update-rc.d <<'END'
[ "$*" = "new disable" ] && rm /etc/rc2.d/S02new
END

run() { # NAME STATUS FUNCTION
	APT_STATUS=$2 WANT_STATUS=$2 unshare -m "$0" within "$1" "$3"
	case $? in
	77) skip "$1" "no overlay can be mounted here" ;;
	0) ;;
	*) failed=1 ;;
	esac
}

unshare -m true 2>/dev/null || skip_all "no mount namespace can be made" setup
chmod 755 "$TEST_TMP"
run new 0 nothing_there
run beside_others 0 running
run own_policy 0 own_policy
run linked_policy 0 linked_policy
run failed 1 own_policy
end_test
