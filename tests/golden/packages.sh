#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# scripts/setup.sh asks each release of Debian and Ubuntu for packages that it has (tests/golden/packages), and says what
# to do where it cannot install any.
. "$(dirname "$0")/../lib.sh"

chmod 755 "$TEST_TMP"
bin=$TEST_TMP/bin
mkdir "$bin"
cp "$TOP/scripts/setup.sh" "$TEST_TMP/"

fake() { # NAME: its text comes from standard input
	{
		echo '#!/bin/sh'
		cat
	} >"$1"
	chmod 755 "$1"
}

# A machine that has nothing installed, and can have what the release has.
fake "$TEST_TMP/find-bpftool.sh" <<<'exit 1'
fake "$bin/clang" <<<'exit 1'
fake "$bin/dpkg-query" <<<'exit 1'
fake "$bin/apt-get" <<<'echo "apt-get $*" >&2; exit 1'
fake "$bin/sudo" <<<'echo "sudo: no" >&2; exit 1'
fake "$bin/apt-cache" <<<'grep -qx "$2" "$RELEASE" && echo "  Candidate: 1"'

setup() { # RELEASE ARGUMENT...
	RELEASE=$TOP/tests/golden/packages/$1 PATH=$bin:$PATH sh "$TEST_TMP/setup.sh" "${@:2}"
}

for release in debian-12 debian-13 ubuntu-22.04 ubuntu-24.04; do
	setup "$release" -n all >"$TEST_TMP/names"
	result "$release" "$(tr ' ' '\n' <"$TEST_TMP/names" | sort -u | while read -r name; do
		grep -qx "$name" "$TOP/tests/golden/packages/$release" || echo "has no $name"
	done)"
	is "$release many" "$(($(wc -w <"$TEST_TMP/names") > 70))" 1
done
is bpftool "$(for release in debian-12 ubuntu-22.04 ubuntu-24.04; do setup "$release" -n build; done | grep -o '[^ ]*tool[^ ]*' | paste -sd' ')" \
	"bpftool linux-tools-common linux-tools-generic-hwe-22.04 linux-tools-common linux-tools-generic"

# Demo asks for what building takes: no server, nothing of the tests.
is demo_builds_only "$(sed -n '/^demo:/,/^$/p' "$TOP/Makefile" | grep -o 'setup.sh.*')" "setup.sh build"
is build_is_short "$(($(setup debian-12 -n build | wc -w) < 30)) $(setup debian-12 -n build | grep -c 'nginx\|ssh')" "1 0"

is unknown_group "$(setup debian-12 -n no 2>&1 | sed 's/ (.*//')" "setup.sh: unknown group 'no'"

# Who is not root, and may not become it, hears what to do; nothing is tried.
as_user=()
[ "$(id -u)" -ne 0 ] || as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
"${as_user[@]}" true 2>/dev/null && RELEASE=$TOP/tests/golden/packages/debian-12 PATH=$bin:$PATH "${as_user[@]}" \
	sh "$TEST_TMP/setup.sh" fuzz 2>"$TEST_TMP/err"
is without_root "$? $(grep -v '^sudo: ' "$TEST_TMP/err")" "1 setup.sh: these packages are missing: clang libclang-rt-dev
setup.sh: you are not root, and sudo is not there or refuses; this has to be run once as root:
setup.sh:     apt-get update && apt-get install --no-install-recommends clang libclang-rt-dev"
end_test
