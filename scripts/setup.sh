#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# setup.sh [GROUP...]: installs what is missing to build and test, without asking. Groups: build, static, test (the
# default is these three), containers (Docker and containerd, for their tests), vm (other kernels), lint, fuzz, cross (make
# CROSS=; "cross riscv64" and the like: for that machine instead of arm64), or all.
# With apt (Debian 12, Ubuntu 22.04 and later) as root or through sudo; elsewhere it prints what is needed.
# "a|b": either will do, a is installed when both are missing.
set -eu

build="gcc libc6-dev make pkg-config|pkgconf clang bpftool libbpf-dev libelf-dev zlib1g-dev libpcap-dev libcjson-dev
	libcurl4-openssl-dev|libcurl4-gnutls-dev libnghttp2-dev libprotobuf-c-dev protobuf-c-compiler libzstd-dev
	liblz4-dev liblzma-dev libssl-dev libutf8proc-dev libseccomp-dev xz-utils curl ca-certificates python3"
static="libmbedtls-dev flex bison"
test="iproute2 iputils-ping procps libcap2-bin tcpdump tshark perl nginx-light|nginx|nginx-core dnsutils|bind9-dnsutils dnsmasq-base
	socat netcat-openbsd ethtool nftables gunicorn util-linux zstd lz4 mandoc openssh-server openssh-client sudo faketime tmux
	screen python3-yaml jq python3-jsonschema
	prometheus prometheus-node-exporter"
containers="docker.io|docker-ce containerd|containerd.io runc|containerd.io containernetworking-plugins busybox-static"
vm="qemu-system-x86 kmod cpio busybox-static xz-utils"
lint="clang-format clang-tidy shellcheck zsh fish"
fuzz="clang libclang-rt-dev"

# Compiler, and what runs the programs here; the libraries come with scripts/sysroot.
cross="qemu-user-static"

[ $# -gt 0 ] || set -- build static test
[ "$1" != all ] || set -- build static test containers vm lint fuzz cross

here=$(dirname "$0")

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "setup.sh: these packages are missing:$missing" >&2
		echo "setup.sh: install them as root, or install sudo, and try again" >&2
		exit 1
	fi
}

installed() { # PACKAGE
	# Ubuntu has bpftool in packages with other names.
	[ "$1" = bpftool ] && "$here/find-bpftool.sh" >/dev/null 2>&1 && return 0
	# Its name is another one where it is not a part of clang itself.
	[ "$1" = libclang-rt-dev ] && ls "$(clang -print-resource-dir 2>/dev/null)"/lib/*/libclang_rt.fuzzer* >/dev/null 2>&1 && return 0
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

with_apt() { # PACKAGE...
	missing=
	for entry in "$@"; do
		any_installed "$entry" || missing="$missing $entry"
	done
	[ -n "$missing" ] || return 0
	echo "setup.sh: installing$missing"
	# Its program is needed, not a service that listens. Debian's and Ubuntu's units look for this file.
	case "$missing " in
	*" openssh-server "*)
		as_root mkdir -p /etc/ssh
		as_root touch /etc/ssh/sshd_not_to_be_run
		;;
	esac
	# Nor of these: a mask keeps systemd from starting what is installed, now and at the next boot.
	for name in prometheus prometheus-node-exporter; do
		case "$missing " in
		*" $name "*)
			as_root mkdir -p /etc/systemd/system
			as_root ln -sfn /dev/null "/etc/systemd/system/$name.service"
			;;
		esac
	done
	# One broken third-party source must not stop the rest: what matters is whether the packages are found.
	as_root apt-get update -qq || true
	names=
	for entry in $missing; do
		names="$names $(first_available "$entry")"
	done
	# shellcheck disable=SC2086 # a list of names
	as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get install -qq -y --no-install-recommends \
		-o Dpkg::Use-Pty=0 $names >/dev/null
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
		  utf8proc-devel
		For the tests and the demo: python3 curl perl iproute iputils tcpdump wireshark-cli nginx bind-utils dnsmasq
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
	*)
		echo "setup.sh: unknown group '$group' (build, static, test, containers, vm, lint, fuzz, cross, all)" >&2
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
[ -z "$machines" ] || "$here/sysroot" $machines >/dev/null
