# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# A real sshd, which lets in who has $TEST_TMP/key. Sourced, not run, after lib.sh.

# Before the first one.
sshd_keys() {
	local name
	for name in host_key key; do ssh-keygen -q -t ed25519 -N '' -f "$TEST_TMP/$name" || return; done
}

# SSHD is its pid, $TEST_TMP/NAME.log what it says. Where it listens, and what else its configuration has, is on standard input.
sshd_serve() { # NAME [WHAT RUNS IT...]
	{
		cat
		cat <<-END
			HostKey $TEST_TMP/host_key
			AuthorizedKeysFile $TEST_TMP/key.pub
			PermitRootLogin prohibit-password
			StrictModes no
			UsePAM no
			PidFile none
		END
	} >"$TEST_TMP/$1.conf"
	: >"$TEST_TMP/$1.log"
	"${@:2}" "$(command -v sshd)" -D -e -f "$TEST_TMP/$1.conf" 2>"$TEST_TMP/$1.log" &
	SSHD=$!
	said $SSHD 'Server listening' "$TEST_TMP/$1.log"
}
