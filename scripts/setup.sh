#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# setup.sh [-n] [GROUP...]: installs what is missing to build and test, without asking. Groups: build, static, test (the
# default is these three), containers (Docker and containerd, for their tests), vm (other kernels), lint, fuzz, package
# (what a release is made and tested with), cross (make CROSS=; "cross riscv64" and the like: for that machine instead of
# arm64), or all.
# With apt (Debian 12, Ubuntu 22.04 and later) as root or through sudo; elsewhere it prints what is needed.
# -n: only prints the names of the packages.
# "a|b": either will do, a is installed when both are missing.
#
# Some of the packages bring services, of which only the programs are needed: none is started, and none is enabled. What
# was there before stays as it is.
set -eu

# Programs for BPF are compiled by clang; it is the C compiler, too, where there is no other.
build="clang libc6-dev make pkgconf|pkg-config bpftool libbpf-dev libelf-dev zlib1g-dev libpcap0.8-dev|libpcap-dev
	libcjson-dev libcurl4-openssl-dev|libcurl4-gnutls-dev libnghttp2-dev libprotobuf-c-dev protobuf-c-compiler libzstd-dev
	liblz4-dev liblzma-dev libssl-dev libutf8proc-dev libseccomp-dev xz-utils curl ca-certificates perl-base
	python3-minimal|python3"
static="gcc libmbedtls-dev flex bison zstd"
test="gcc python3 iproute2 iputils-ping procps libcap2-bin tcpdump tshark perl nginx-light|nginx|nginx-core dnsutils|bind9-dnsutils dnsmasq-base
	socat netcat-openbsd ethtool nftables gunicorn util-linux strace zstd lz4 mandoc openssh-server openssh-client sudo faketime tmux
	screen python3-yaml jq python3-jsonschema
	prometheus prometheus-node-exporter"
containers="docker.io|docker-ce containerd|containerd.io runc|containerd.io containernetworking-plugins busybox-static"
vm="qemu-system-x86 qemu-system-arm kmod cpio busybox-static xz-utils"
lint="clang-format clang-tidy shellcheck zsh fish"
fuzz="clang libclang-rt-dev|libclang-common-14-dev"
package="python3 dpkg-dev lintian rpm rpmlint cpio debootstrap systemd systemd-container busybox-static ca-certificates zstd git mandoc"

# Compiler, and what runs the programs here; the libraries come with scripts/sysroot.
cross="qemu-user-static"

print_only=
if [ "${1:-}" = -n ]; then
	print_only=yes
	shift
fi
[ $# -gt 0 ] || set -- build static test
[ "$1" != all ] || set -- build static test containers vm lint fuzz package cross

here=$(dirname "$0")

fail() { # LINE...
	printf 'setup.sh: %s\n' "$@" >&2
	exit 1
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# --- which packages ------------------------------------------------------------

installed() { # PACKAGE
	case $1 in
	# Ubuntu has bpftool in packages with other names.
	bpftool) "$here/find-bpftool.sh" >/dev/null 2>&1 && return 0 ;;
	# Which of these has the fuzzer depends on the release.
	libclang-rt-dev | libclang-common-14-dev)
		ls "$(clang -print-resource-dir 2>/dev/null)"/lib/*/libclang_rt.fuzzer* >/dev/null 2>&1
		return
		;;
	esac
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

any_installed() { # A|B|C
	for name in $(echo "$1" | tr '|' ' '); do
		installed "$name" && return 0
	done
	return 1
}

available() { # PACKAGE
	apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'
}

first_available() { # A|B|C
	if [ "$1" = bpftool ] && ! available bpftool; then
		# Those of Ubuntu 22.04's own kernel are too old.
		echo linux-tools-common "$(first_available 'linux-tools-generic-hwe-22.04|linux-tools-generic')"
		return
	fi
	for name in $(echo "$1" | tr '|' ' '); do
		if available "$name"; then
			echo "$name"
			return
		fi
	done
	echo "${1%%|*}"
}

# Prints what is missing of these, each once.
missing_of() { # ENTRY...
	for entry in "$@"; do
		any_installed "$entry" || echo "$entry"
	done | awk '!seen[$0]++' | paste -sd' ' -
}

names_of() { # ENTRY...
	for entry in "$@"; do first_available "$entry"; done | paste -sd' ' -
}

# --- services that packages bring ----------------------------------------------

# Debian's and Ubuntu's packages ask this file before they start, stop or restart anything.
policy=/usr/sbin/policy-rc.d
policy_before=$policy.before-ptcpdump
policy_words='# written by setup.sh of ptcpdump, which removes it'

hold_services() {
	before=$(mktemp)
	enabled >"$before"
	# Also when a signal ends us.
	trap release_services EXIT
	trap 'exit 1' INT TERM HUP
	# One of ours is what a run that was killed has left.
	if ! grep -qs "$policy_words" $policy && { [ -e $policy ] || [ -L $policy ]; }; then
		as_root mv $policy $policy_before
	fi
	printf '#!/bin/sh\n%s\nexit 101\n' "$policy_words" | as_root tee $policy >/dev/null
	as_root chmod 755 $policy
}

allow_services() {
	as_root rm -f $policy || echo "setup.sh: $policy is left: no package starts a service until it is removed" >&2
	if [ -e $policy_before ] || [ -L $policy_before ]; then
		as_root mv $policy_before $policy
	fi
}

release_services() {
	allow_services
	disable_new
	rm -f "$before"
}

# What the next boot would start: the links of systemd and of System V's scripts.
enabled() {
	find /etc/systemd/system -path '*.wants/*' -o -path '*.requires/*' 2>/dev/null | sort
	find /etc/rc[2-5S].d -name 'S*' 2>/dev/null | sort
}

# What comes with systemd itself is no service of those packages: a system that gets it now would not boot without.
of_systemd() { # UNIT
	dpkg-query -L systemd 2>/dev/null | grep -q "/systemd/system/$(echo "$1" | sed 's/@.*\./@./; s/\./\\./g')\$"
}

# Links that are gone are for packages a service that its owner has disabled: upgrades leave it so.
disable_new() {
	units=
	for link in $(enabled | grep -Fxv -f "$before"); do
		case $link in
		/etc/systemd/*)
			! of_systemd "${link##*/}" || continue
			as_root rm -f "$link"
			units="$units ${link##*/}"
			;;
		*)
			name=${link##*/S[0-9][0-9]}
			as_root update-rc.d "$name" disable >/dev/null 2>&1 || as_root rm -f "$link"
			;;
		esac
	done
	[ -n "$units" ] || return 0
	[ ! -d /run/systemd/system ] || as_root systemctl daemon-reload
	echo "setup.sh: not started and not enabled, as only their programs are needed: $(echo "$units" | xargs -n 1 | sort -u | xargs)"
}

# --- with apt, and without ------------------------------------------------------

# What apt says, as far as it tells how far it is; returns apt's status, which comes last.
progress() { # PACKAGES
	unpacked=0
	while read -r word name rest; do
		case $word in
		Need) echo "  $word $name $rest" ;;
		Get:*) echo "  fetch   ${word#Get:}/$1 $(echo "$rest" | cut -d' ' -f3)" ;;
		Unpacking)
			unpacked=$((unpacked + 1))
			echo "  unpack  $unpacked/$1 $name"
			;;
		apt-status) return "$name" ;;
		esac
	done
	return 1
}

apt_install() { # PACKAGE...
	count=$(apt-get install -s -qq --no-install-recommends "$@" | grep -c '^Inst') || true
	echo "setup.sh: that is $count packages with what they need"
	# Packages say much there that frightens (links of services, which go again) and means nothing where all goes well.
	errors=$(mktemp)
	{
		status=0
		as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C apt-get install -q -y \
			--no-install-recommends -o Dpkg::Use-Pty=0 "$@" 2>"$errors" || status=$?
		echo "apt-status $status"
	} | progress "$count" || {
		cat "$errors" >&2
		rm -f "$errors"
		return 1
	}
	rm -f "$errors"
}

can_be_root() {
	[ "$(id -u)" -eq 0 ] || { command -v sudo >/dev/null && sudo true; }
}

# shellcheck disable=SC2046,SC2086 # lists of names
with_apt() { # ENTRY...
	# Of a run that was killed.
	if [ -z "$print_only" ] && grep -qs "$policy_words" $policy && can_be_root; then allow_services; fi
	missing=$(missing_of "$@")
	[ -n "$missing" ] || return 0
	names=$(names_of $missing)
	if [ -n "$print_only" ]; then
		echo "$names"
		return
	fi
	can_be_root || fail "these packages are missing: $names" \
		"you are not root, and sudo is not there or refuses; this has to be run once as root:" \
		"    apt-get update && apt-get install --no-install-recommends $names"
	echo "setup.sh: installing $names"
	hold_services
	# One broken third-party source must not stop the rest: what matters is whether the packages are found.
	as_root apt-get update -qq || true
	# Those of lists that were older, or not there at all.
	apt_install $(names_of $missing) || fail "apt-get has failed, see above"
}

without_apt() {
	for tool in cc make pkg-config clang protoc-c; do
		command -v "$tool" >/dev/null || lacking="${lacking:-} $tool"
	done
	"$here/find-bpftool.sh" >/dev/null 2>&1 || lacking="${lacking:-} bpftool"
	for lib in libbpf libelf libpcap libcjson libcurl libnghttp2 libprotobuf-c libzstd liblz4 liblzma zlib libcrypto libutf8proc libseccomp; do
		pkg-config --exists "$lib" 2>/dev/null || lacking="${lacking:-} $lib"
	done
	[ -n "${lacking:-}" ] || return 0
	cat >&2 <<-END
		setup.sh: no apt here; missing:$lacking
		Install with this system's package manager, development files included (names as Fedora has them):
		  gcc make pkgconf clang bpftool libbpf-devel elfutils-libelf-devel zlib-devel libpcap-devel cjson-devel
		  libcurl-devel libnghttp2-devel protobuf-c-devel protobuf-c-compiler libzstd-devel lz4-devel xz-devel openssl-devel
		  utf8proc-devel libseccomp-devel
		For the demo: curl perl, and for the tests also: gcc python3 iproute iputils tcpdump wireshark-cli nginx bind-utils dnsmasq
		  socat nmap-ncat ethtool nftables openssh-server sudo tmux screen
	END
	exit 1
}

packages=
machines=
for group in "$@"; do
	case $group in
	cross) packages="$packages $build $static $cross" machines=arm64 ;;
	arm64 | riscv64 | ppc64el | s390x)
		[ -n "$machines" ] || {
			echo "setup.sh: '$group' goes with cross" >&2
			exit 1
		}
		asked="${asked:-} $group" machines=$asked
		;;
	build) packages="$packages $build" ;;
	static) packages="$packages $static" ;;
	test) packages="$packages $test" ;;
	containers) packages="$packages $containers" ;;
	vm) packages="$packages $vm" ;;
	lint) packages="$packages $lint" ;;
	fuzz) packages="$packages $fuzz" ;;
	package) packages="$packages $package" ;;
	*)
		echo "setup.sh: unknown group '$group' (build, static, test, containers, vm, lint, fuzz, package, cross, all)" >&2
		exit 1
		;;
	esac
done

compiler_for() { # ARCH
	case $1 in
	arm64) echo gcc-aarch64-linux-gnu ;;
	ppc64el) echo gcc-powerpc64le-linux-gnu ;;
	*) echo "gcc-$1-linux-gnu" ;;
	esac
}
for machine in $machines; do
	packages="$packages $(compiler_for "$machine")"
done

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
	# shellcheck disable=SC2086 # a list of names
	with_apt $packages
else
	without_apt
fi
# shellcheck disable=SC2086 # a list of names
[ -z "$machines" ] || [ -n "$print_only" ] || "$here/sysroot" $machines >/dev/null
