# SPDX-License-Identifier: BSD-3-Clause
#
# For `make CROSS=TRIPLE`: the compiler and binutils of that name, and a folder of Debian's libraries for it, which
# `scripts/setup.sh cross` fetches; or any folder that has the like, by SYSROOT=.

TOOL := $(CROSS)-
DEBIAN_ARCHES := aarch64=arm64 powerpc64le=ppc64el
DEBIAN_ARCH := $(or $(patsubst $(MACHINE)=%,%,$(filter $(MACHINE)=%,$(DEBIAN_ARCHES))),$(MACHINE))
SYSROOT ?= $(shell scripts/sysroot --where $(DEBIAN_ARCH))

ifeq ($(filter sysroot clean distclean help,$(MAKECMDGOALS))$(wildcard $(SYSROOT)/usr/lib/$(CROSS)/libc.so),)
$(error no libraries of $(DEBIAN_ARCH) in '$(SYSROOT)'; run 'scripts/setup.sh cross $(DEBIAN_ARCH)')
endif

ifeq ($(origin CC),default)
CC := $(CROSS)-gcc
endif
# -B: the C library is the folder's, not the one that came with the compiler.
override CC += --sysroot=$(SYSROOT) -B$(SYSROOT)/usr/lib/$(CROSS)/ -ffile-prefix-map=$(SYSROOT)=
AR := $(TOOL)ar
LD := $(TOOL)ld

# Where configure looks for libraries, and what it would have to run a program for.
CROSS_ENV := ac_cv_buggy_ether_ntohost=no PKG_CONFIG_SYSROOT_DIR=$(SYSROOT) \
	PKG_CONFIG_LIBDIR=$(SYSROOT)/usr/lib/$(CROSS)/pkgconfig:$(SYSROOT)/usr/share/pkgconfig
PKG_CONFIG := env $(CROSS_ENV) $(PKG_CONFIG)

# bpftool links only objects of its own byte order: that of the other one comes with the libraries, and is emulated.
ifeq ($(MACHINE),s390x)
BPFTOOL ?= qemu-s390x-static -L $(SYSROOT) $(firstword $(wildcard $(SYSROOT)/usr/sbin/bpftool))
endif
