# SPDX-License-Identifier: BSD-3-Clause
#
# make            build/ptcpdump against the system's shared libraries
# make static     build/static/ptcpdump, one static file
# make asan       build/asan/ptcpdump, with AddressSanitizer and UBSan
# make tsan       build/tsan/ptcpdump, with ThreadSanitizer; tests/system/tsan.sh runs it
# make CROSS=aarch64-linux-gnu [static] [tests]   the same for another machine, in build/aarch64-linux-gnu
# make setup      install what is missing (apt; elsewhere it prints a list)
# make demo       set up what building takes, build, and show it at work
# make check      set up, build, run every test
# make check-fast build, run those that need less than a minute
# make fuzz       feed bytes that nobody meant to all that reads some (FUZZ_SECONDS=60 FUZZ="text reader")
# make bench      measure beside tcpdump (BENCH="--runs 3 --only burst")
# make dist       build/release/ptcpdump-VERSION.tar.xz, the source with all that it needs from elsewhere
# make packages   build/release/: the static program as .deb, .rpm and .tar.xz; scripts/release.sh makes all of a release
# make help       all targets and settings
#
# Nothing has to be added here for a new source file:
#   src/*.c, src/*/*.c, src/*/*/*.c   are compiled and linked; #include "folder/x.h" is relative to src/
#   src/**/*.proto                    become NAME.pb-c.h and are linked
#   bpf/*.bpf.c                       are compiled for BPF, joined, and become "ptcpdump.skel.h" (struct ptcpdump)
#   src/output/text*.c, netdissect*.c may include libnetdissect's headers; nobody else sees them
#   tests/unit/test_*.c               programs linked with everything but main.o, ASan and UBSan on
#   tests/bpf/test_*.c                the same; tests/bpf/NAME.bpf.c becomes "NAME.skel.h" for them
#   tests/system/helpers/*.c, tests/bench/*.c   plain programs in build/tests/, linked with libc only
#   tests/fuzz/*.c                    targets of libFuzzer, linked with everything but main.o, in build/fuzz
#   tests/helpers/*.c                 programs in build/tests/, linked with everything but main.o
#   tests/main/*.c                    the same with main.o: the program, of which they replace functions
#   tests/{golden,system,vm,tcpdump,wireshark}  every executable file is a test (libraries of tests are not executable)

VERSION := 1.0.0-rc1

CC ?= cc
CLANG ?= clang
PKG_CONFIG ?= pkg-config
PROTOC_C ?= protoc-c
STRIP ?= $(TOOL)strip
OBJCOPY ?= $(TOOL)objcopy
NM ?= $(TOOL)nm
CFLAGS ?= -O2 -g
LDFLAGS ?=
PREFIX ?= /usr/local
DESTDIR ?=
# Where Wireshark looks, whatever our PREFIX is; of a PREFIX in the home folder, that user's. Empty: nothing is installed.
WIRESHARK_PLUGINS ?= $(eval WIRESHARK_PLUGINS := $$(shell scripts/wireshark-folder plugins $(PREFIX)))$(WIRESHARK_PLUGINS)
WIRESHARK_PROFILES ?= $(eval WIRESHARK_PROFILES := $$(shell scripts/wireshark-folder profiles $(PREFIX)))$(WIRESHARK_PROFILES)

B := build$(CROSS:%=/%)
G := $(B)/gen

# What is built and run while building is the build machine's.
HOSTCC ?= cc
HOST_PKG_CONFIG ?= pkg-config
MULTIARCH := $(or $(CROSS),$(patsubst ppc64le,powerpc64le,$(shell uname -m))-linux-gnu)
MACHINE := $(firstword $(subst -, ,$(MULTIARCH)))
ifdef CROSS
include deps/cross.mk
endif

# Commands are shown with V=1.
ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s %s %s\n'
MAKEFLAGS += --no-print-directory
endif

WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wold-style-definition -Wvla -Wpointer-arith \
	-Wundef -Wformat=2 -Wno-format-nonliteral -Wno-unused-parameter
BPF_WARN := -Wall -Wextra -Wshadow -Wno-unused-parameter
ifeq ($(WERROR),1)
WARN += -Werror
BPF_WARN += -Werror
endif

# --- sources -----------------------------------------------------------------

SRC := $(sort $(wildcard src/*.c src/*/*.c src/*/*/*.c))
PROTO := $(sort $(wildcard src/*/*.proto src/*/*/*.proto))
# An object of its own, that most runs do not load: bpf/btf_check.bpf.c.
BPF_ALONE := $(wildcard bpf/btf_check.bpf.c)
BPF_SRC := $(filter-out $(BPF_ALONE),$(sort $(wildcard bpf/*.bpf.c)))
PB_C := $(patsubst %.proto,$(G)/%.pb-c.c,$(notdir $(PROTO)))
SKEL := $(if $(BPF_SRC),$(G)/ptcpdump.skel.h) $(BPF_ALONE:bpf/%.bpf.c=$(G)/%.skel.h)
SANDBOX_FILTER := $(G)/sandbox_filter.h
LICENSES := $(G)/licenses_packed.h
VERSION_H := $(G)/version.h
GEN := $(SKEL) $(PB_C) $(SANDBOX_FILTER) $(VERSION_H) $(LICENSES)
vpath %.proto $(sort $(dir $(PROTO)))

OBJ := $(SRC:.c=.o) $(notdir $(PB_C:.c=.o))
TEXT_OBJ := $(filter src/output/text% src/output/netdissect%,$(OBJ))

# Functions of libnetdissect that src/output/netdissect_*.c replace: each NAME here needs a __wrap_NAME there.
WRAP := ipaddr_string ip6addr_string tcpport_string udpport_string etheraddr_string le64addr_string linkaddr_string \
	isonsap_string hex_print hex_print_with_offset hex_and_ascii_print ascii_print
WRAP_FLAGS := $(WRAP:%=-Wl,--wrap=%)
# libnetdissect calls the replacements, which call it back.
group = -Wl,--start-group $(1) -Wl,--end-group

PKGS = $(if $(LIBBPF_LIB),,libbpf) libelf libpcap libcjson libcurl libnghttp2 libprotobuf-c libzstd liblz4 liblzma zlib \
	libcrypto libutf8proc
# Asked once, and only when something is compiled: `make setup` must work before pkg-config is there.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell $(PKG_CONFIG) --cflags $(PKGS)))$(PKG_CFLAGS)
# Each shared library costs every start some 50 us: where there is an archive of this small one, that is taken.
UTF8PROC_LIB = $(or $(filter /%,$(shell $(CC) -print-file-name=libutf8proc.a)),-lutf8proc)
# libcurl is loaded when it is needed (src/util/libcurl.c).
PKG_LIBS = $(eval PKG_LIBS := $(LIBBPF_LIB) $$(UTF8PROC_LIB) $$(filter-out -lcurl -lutf8proc,$$(shell $(PKG_CONFIG) --libs $(PKGS))) -ldl)$(PKG_LIBS)

CPPFLAGS += -D_GNU_SOURCE -Isrc -Iinclude -I$(G) $(LIBBPF_INC)
# Whoever builds the same with the same tools gets the same bytes (scripts/check-reproducible.sh).
SAME_BYTES := -ffile-prefix-map=$(CURDIR)=.
STD := -std=gnu17 -fno-common -fstack-protector-strong $(SAME_BYTES)
FORTIFY := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
# scripts/check-hardening.sh asks for these.
HARDEN_LD := -Wl,-z,relro,-z,now,-z,noexecstack

# What the tests are linked to. Emulators of processors hardly run it, so that CROSS= leaves it out unless told "yes".
SANITIZE ?= $(if $(CROSS),no,yes)

# With no main.c there is still a library to build and test.
MAIN := $(filter src/main.o,$(OBJ))
all: $(if $(MAIN),$(B)/ptcpdump,$(B)/libptcpdump.a)

include deps/deps.mk

# --- the program, in four variants -------------------------------------------

# $(call variant,DIR,flags to compile): DIR/obj/**.o and DIR/libptcpdump.a, everything but main.o.
define variant
$(1)/obj/%.o: %.c | $$(GEN)
	$$(say) CC $$@
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(STD) $$(CPPFLAGS) $$(ND_INC) $(2) $$(WARN) $$(CFLAGS) -MMD -MP -c $$< -o $$@
$(1)/obj/%.pb-c.o: $(G)/%.pb-c.c
	$$(say) CC $$@
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(STD) $$(CPPFLAGS) $(2) $$(CFLAGS) -w -c $$< -o $$@
$(TEXT_OBJ:%=$(1)/obj/%): ND_INC := $(ND_CPPFLAGS)
$(TEXT_OBJ:%=$(1)/obj/%): | $(ND_LIB)
$(1)/libptcpdump.a: $(addprefix $(1)/obj/,$(filter-out $(MAIN),$(OBJ)))
	$$(say) AR $$@
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$^
-include $(patsubst %.o,$(1)/obj/%.d,$(OBJ))
endef

ifeq ($(SANITIZE),yes)
ASAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
$(eval $(call variant,$(B),$$(PKG_CFLAGS) $$(FORTIFY) -fPIE))
$(eval $(call variant,$(B)/asan,$$(PKG_CFLAGS) $$(ASAN)))
# It does not know fences; ours are against the kernel, of which it knows nothing either.
TSAN := -fsanitize=thread -fno-omit-frame-pointer -Wno-tsan
$(eval $(call variant,$(B)/tsan,$$(PKG_CFLAGS) $$(TSAN)))
$(eval $(call variant,$(B)/static,$$(STATIC_CPPFLAGS) $$(FORTIFY) $$(NO_UNWIND) -ffunction-sections -fdata-sections))
$(OBJ:%=$(B)/static/obj/%): | $(STATIC_DEPS)

$(B)/ptcpdump: $(B)/obj/$(MAIN) $(B)/libptcpdump.a $(ND_LIB)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pie $(HARDEN_LD) -Wl,--as-needed $(WRAP_FLAGS) -o $@ $(call group,$^) $(PKG_LIBS)

$(B)/asan/ptcpdump: $(B)/asan/obj/$(MAIN) $(B)/asan/libptcpdump.a $(ND_ASAN_LIB)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(ASAN) -Wl,--as-needed $(WRAP_FLAGS) -o $@ $(call group,$^) $(PKG_LIBS)

# The dissectors have one thread.
$(B)/tsan/ptcpdump: $(B)/tsan/obj/$(MAIN) $(B)/tsan/libptcpdump.a $(ND_LIB)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(TSAN) -Wl,--as-needed $(WRAP_FLAGS) -o $@ $(call group,$^) $(PKG_LIBS)

# Relocations of the program itself in a tenth of the space, where the linker can (binutils 2.38; for arm64 later) and the
# C library, which applies them at the start (glibc 2.36).
RELR_TEST := \#include <features.h>\n_Static_assert(__GLIBC_PREREQ(2, 36), "DT_RELR");int main(void){return 0;}\n
RELR_FLAGS := -Wl,-z,pack-relative-relocs
relr = $(shell printf '$(RELR_TEST)' | $(CC) -static-pie -Wl,--fatal-warnings $(RELR_FLAGS) -x c -o $@.relr - 2>/dev/null && \
	echo $(RELR_FLAGS); rm -f $@.relr)

# The linker warns about getaddrinfo and getpwuid in static programs; deps/static_nss.c deals with that.
$(B)/static/ptcpdump: $(B)/static/obj/$(MAIN) $(patsubst %.c,$(B)/static/obj/%.o,$(sort $(wildcard deps/static_*.c))) $(B)/static/libptcpdump.a $(ND_LIB) $(STATIC_DEPS)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -static-pie $(HARDEN_LD) $(relr) -Wl,--gc-sections $(WRAP_FLAGS) -o $@.full \
		$(filter %.o,$^) $(call group,$(B)/static/libptcpdump.a $(ND_LIB)) $(STATIC_LIBS) 2>$@.log || { grep -v -e 'statically linked applications' -e ': in function' $@.log >&2; false; }
	$(Q)$(STRIP) -o $@ $@.full

static: $(if $(MAIN),$(B)/static/ptcpdump,$(B)/static/libptcpdump.a)
asan: $(if $(MAIN),$(B)/asan/ptcpdump,$(B)/asan/libptcpdump.a)
tsan: $(if $(MAIN),$(B)/tsan/ptcpdump,$(B)/tsan/libptcpdump.a)

# --- BPF and other generated sources -------------------------------------------

# Ubuntu's /usr/sbin/bpftool is a wrapper that may only print what to install: take the first that answers.
BPFTOOL ?= $(eval BPFTOOL := $$(shell scripts/find-bpftool.sh))$(BPFTOOL)

# The kernel's names of architectures, where they are not the compiler's; big endian is what the rest are not.
BPF_ARCHES := x86_64=x86 aarch64=arm64 riscv64=riscv powerpc64le=powerpc s390x=s390
BPF_ARCH := $(or $(patsubst $(MACHINE)=%,%,$(filter $(MACHINE)=%,$(BPF_ARCHES))),$(MACHINE))
BPF_TARGET := $(if $(filter s390x,$(MACHINE)),bpfeb,bpfel)
# clang -target bpf does not search the multiarch folder that holds asm/types.h.
BPF_CFLAGS := -target $(BPF_TARGET) -mcpu=v3 -O2 -g -std=gnu17 -D__TARGET_ARCH_$(BPF_ARCH) $(LIBBPF_INC) -Iinclude -Ivmlinux \
	-Ibpf $(SYSROOT:%=--sysroot=%) $(addprefix -idirafter ,$(wildcard $(SYSROOT)/usr/include/$(MULTIARCH)))

$(B)/bpf/%.bpf.o: bpf/%.bpf.c | $(LIBBPF_LIB)
	$(say) BPF $@
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) $(BPF_WARN) -MMD -MP -c $< -o $@

# In the order in which libbpf loads them: first those that another thread has the kernel verify meanwhile.
BPF_BESIDE := $(filter bpf/tc.bpf.c,$(BPF_SRC))
$(B)/bpf/ptcpdump.o: $(BPF_BESIDE:%.c=$(B)/%.o) $(patsubst %.c,$(B)/%.o,$(filter-out $(BPF_BESIDE),$(BPF_SRC)))
	$(say) JOIN $@
	$(Q)$(BPFTOOL) gen object $@ $^

# With the lines of the source, for readers of the verifier's log: bpftool prog loadall build/bpf/ptcpdump.o.
$(G)/ptcpdump.skel.h: $(B)/bpf/ptcpdump.o scripts/bpf-strip
	$(say) SKEL $@
	@mkdir -p $(@D)
	$(Q)scripts/bpf-strip $< $(@D)/ptcpdump.o
	$(Q)$(BPFTOOL) gen skeleton $(@D)/ptcpdump.o name ptcpdump >$@.tmp && mv $@.tmp $@

$(BPF_ALONE:bpf/%.bpf.c=$(G)/%.skel.h): $(G)/%.skel.h: $(B)/bpf/%.bpf.o
	$(say) SKEL $@
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen object $<.joined $< && scripts/bpf-strip $<.joined $<.bare && $(BPFTOOL) gen skeleton $<.bare name $* >$@.tmp && mv $@.tmp $@

# The static program has it packed (deps/static_object.c): its own header comes before the others' by -iquote.
STATIC_CPPFLAGS += -iquote $(G)/static
$(OBJ:%=$(B)/static/obj/%) $(B)/static/obj/deps/static_object.o: | $(G)/static/ptcpdump.skel.h
$(B)/static/obj/deps/static_object.o: CPPFLAGS += -DPACKED_OBJECT='"$(G)/static/ptcpdump.o.zst"'
$(B)/static/obj/deps/static_object.o: $(G)/static/ptcpdump.o.zst
$(G)/static/ptcpdump.o.zst: $(G)/ptcpdump.skel.h
	@mkdir -p $(@D)
	$(Q)zstd -19 -q -f $(G)/ptcpdump.o -o $@
$(G)/static/ptcpdump.skel.h: $(G)/ptcpdump.skel.h
	@mkdir -p $(@D)
	$(Q)sed -e 's/^static inline \(const void \*ptcpdump__elf_bytes(size_t \*sz);\)/\1/' \
		-e '/^static inline const void \*ptcpdump__elf_bytes(size_t \*sz)$$/,/^}/d' $< >$@.tmp && mv $@.tmp $@

$(B)/tests/bpf/%.bpf.o: tests/bpf/%.bpf.c | $(LIBBPF_LIB)
	$(say) BPF $@
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) $(BPF_WARN) -MMD -MP -c $< -o $@

$(G)/%.skel.h: $(B)/tests/bpf/%.bpf.o
	$(say) SKEL $@
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $* >$@.tmp && mv $@.tmp $@

# libseccomp is needed for this only: the program has what it wrote.
$(SANDBOX_FILTER): scripts/sandbox_filter.c
	$(say) GEN $@
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(STD) -D_GNU_SOURCE $(WARN) $(shell $(HOST_PKG_CONFIG) --cflags libseccomp) $< -o $@.make \
		$(shell $(HOST_PKG_CONFIG) --libs libseccomp)
	$(Q)$@.make $(MACHINE) >$@.tmp && mv $@.tmp $@

# Written for a new version only, so that what includes it is compiled anew then, and not with each change of this file.
$(VERSION_H): $(if $(findstring "$(VERSION)",$(file <$(VERSION_H))),,FORCE)
	@mkdir -p $(@D)
	@echo '#define PTCPDUMP_VERSION "$(VERSION)"' >$@

LICENSE_FILES := LICENSE NOTICE $(sort $(wildcard LICENSES/*.txt))
$(LICENSES): scripts/licenses $(LICENSE_FILES)
	$(say) GEN $@
	@mkdir -p $(@D)
	$(Q)$< $(LICENSE_FILES) >$@.tmp && mv $@.tmp $@

$(G)/%.pb-c.c: %.proto
	$(say) PROTO $@
	@mkdir -p $(@D)
	$(Q)$(PROTOC_C) --c_out=$(G) --proto_path=$(<D) $<

-include $(wildcard $(B)/bpf/*.d $(B)/tests/bpf/*.d)

# --- tests -----------------------------------------------------------------------

UNIT := $(patsubst %.c,$(B)/asan/%,$(wildcard tests/unit/test_*.c))
BPF_TEST := $(patsubst %.c,$(B)/asan/%,$(wildcard tests/bpf/test_*.c))
TEST_SKEL := $(patsubst tests/bpf/%.bpf.c,$(G)/%.skel.h,$(wildcard tests/bpf/*.bpf.c))
HELPERS := $(patsubst tests/system/helpers/%.c,$(B)/tests/%,$(wildcard tests/system/helpers/*.c))
BENCH_TOOLS := $(patsubst tests/bench/%.c,$(B)/tests/%,$(wildcard tests/bench/*.c))
vpath %.c tests/system/helpers tests/bench
LIB_HELPERS := $(patsubst tests/helpers/%.c,$(B)/tests/%,$(wildcard tests/helpers/*.c))
ALTERED := $(patsubst tests/main/%.c,$(B)/tests/%,$(wildcard tests/main/*.c))

# What a test calls __wrap_NAME (tests/unit/fake.h) takes the place of NAME in all that is linked to it.
fakes = $$($(NM) $< | sed -n 's/.* T __wrap_/-Wl,--wrap=/p')

$(UNIT) $(BPF_TEST): $(B)/asan/%: $(B)/asan/obj/%.o $(B)/asan/libptcpdump.a $(ND_ASAN_LIB)
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(ASAN) -Wl,--as-needed $(WRAP_FLAGS) $(fakes) -o $@ $(call group,$^) $(PKG_LIBS)
$(UNIT:$(B)/asan/%=$(B)/asan/obj/%.o) $(BPF_TEST:$(B)/asan/%=$(B)/asan/obj/%.o): CPPFLAGS += -Itests/unit
$(BPF_TEST:$(B)/asan/%=$(B)/asan/obj/%.o): | $(TEST_SKEL)
-include $(wildcard $(B)/asan/obj/tests/*/*.d)

$(HELPERS) $(BENCH_TOOLS): $(B)/tests/%: %.c
	$(say) CC $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) -D_GNU_SOURCE $(WARN) $(CFLAGS) -pthread $< -o $@

$(LIB_HELPERS): $(B)/tests/%: $(B)/obj/tests/helpers/%.o $(B)/libptcpdump.a $(ND_LIB)
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--as-needed $(WRAP_FLAGS) -o $@ $(call group,$^) $(PKG_LIBS)

$(ALTERED): $(B)/tests/%: $(B)/obj/tests/main/%.o $(B)/obj/$(MAIN) $(B)/libptcpdump.a $(ND_LIB)
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--as-needed $(WRAP_FLAGS) $(fakes) -o $@ $(call group,$^) $(PKG_LIBS)

# The sanitized program, in which calls fail that a test chooses; and the same for any program, by LD_PRELOAD.
$(B)/asan/ptcpdump-faults: $(B)/asan/obj/tests/faults/fault.o $(B)/asan/obj/$(MAIN) $(B)/asan/libptcpdump.a $(ND_ASAN_LIB)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(ASAN) -Wl,--as-needed $(WRAP_FLAGS) $(fakes) -o $@ $(call group,$^) $(PKG_LIBS)
$(B)/tests/fault.so: tests/faults/fault.c
	$(say) CC $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) -D_GNU_SOURCE -DPRELOAD $(WARN) $(CFLAGS) -fPIC -shared $< -o $@ -ldl
FAULTS := $(if $(MAIN),$(B)/asan/ptcpdump-faults $(B)/tests/fault.so)

PROGRAMS := $(if $(MAIN),$(B)/ptcpdump $(B)/asan/ptcpdump)
SUITES := unit golden bpf system tcpdump wireshark package vm
.SECONDARY:
.DELETE_ON_ERROR:

check-unit: $(UNIT)
check-bpf: $(BPF_TEST) $(PROGRAMS)
check-golden check-tcpdump check-wireshark: $(PROGRAMS) $(LIB_HELPERS) $(BENCH_TOOLS) $(FAULTS)
check-system: $(PROGRAMS) $(HELPERS) $(LIB_HELPERS) $(ALTERED) $(FAULTS) tsan
check-package: $(PROGRAMS) static
check-vm: $(B)/ptcpdump $(HELPERS)
$(filter-out check-vm,$(SUITES:%=check-%)):
	@tests/run $(@:check-%=%)

# What can be run after every change; .ci/run has it first, too.
# The one program of bpf takes longest: it begins.
check-fast: $(UNIT) $(BPF_TEST) $(PROGRAMS) $(LIB_HELPERS) $(BENCH_TOOLS) $(FAULTS)
	@tests/run bpf unit golden

# Longer than tests/run allows. When interrupted, it goes on where it was.
check-vm: export VM_SCENARIOS ?= all
check-vm: vm-kernels
	@tests/vm/kernels.sh
	@tests/vm/no_btf.sh
	@tests/vm/refused.sh

# Other versions than the system's, for check-wireshark.
wireshark-versions:
	sh tests/wireshark/wireshark-fetch $(or $(WIRESHARK_SUITES),trixie sid)

vm-kernels:
	sh tests/vm/vm-fetch $(or $(VM_KERNELS),bullseye bookworm bookworm-backports sid bookworm-arm64 sid-arm64)
	$(if $(filter bullseye,$(or $(VM_KERNELS),bullseye)),python3 tests/vm/vm-patch bullseye bullseye-nobtf btf_parse_vmlinux btf_vmlinux_init)

tests: $(UNIT) $(BPF_TEST) $(PROGRAMS) $(HELPERS) $(LIB_HELPERS) $(ALTERED) $(BENCH_TOOLS) $(FAULTS) $(if $(CROSS),,tsan)

# All processors, unless -j says how many.
all_cpus = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

# The set-up may bring pkg-config and the compilers: a second make reads the Makefile with them in place.
check:
	@scripts/setup.sh
	@$(MAKE) $(all_cpus) tests
	@tests/run $(SUITES)

demo:
	@scripts/setup.sh build
	@$(MAKE) $(all_cpus) $(B)/ptcpdump
	@scripts/demo.sh $(B)/ptcpdump

setup:
	@scripts/setup.sh

golden: $(PROGRAMS)
	UPDATE=1 tests/golden/golden.sh

# Beside tcpdump on this machine, which should have nothing else to do; root only.
bench: $(B)/ptcpdump $(BENCH_TOOLS) $(LIB_HELPERS)
	tests/bench/bench.py $(BENCH) $(B)/ptcpdump $(B)/tests
	tests/bench/bpfcost.py $(B)/ptcpdump $(B)/tests

# What servers do meanwhile (BENCH="--only nginx --rounds 3").
bench-apps: $(B)/ptcpdump $(BENCH_TOOLS)
	tests/bench/apps.py $(BENCH) $(B)/ptcpdump $(B)/tests

check-clean:
	tests/clean-debian.sh

# --- fuzzing: clang's libFuzzer --------------------------------------------------------

# Each tests/fuzz/NAME.c with all of the program but main.o; libnetdissect too tells which ways were gone.
FUZZ_SRC := $(wildcard tests/fuzz/*.c)
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ_SRC))
FUZZ_FLAGS := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
FUZZ_CC := $(if $(findstring ccache,$(CC)),ccache )$(CLANG)
FUZZ_SECONDS ?= 60
FUZZ ?= $(FUZZ_SRC:tests/fuzz/%.c=%)

$(eval $(call variant,$(B)/fuzz,$$(PKG_CFLAGS) -O1 $$(FUZZ_FLAGS)))
$(B)/fuzz/%: private override CC = $(FUZZ_CC)
$(B)/fuzz/%: private override CFLAGS = -g
$(B)/fuzz/%: private override WARN = -w

$(FUZZ_TARGETS): $(B)/fuzz/%: $(B)/fuzz/obj/tests/fuzz/%.o $(B)/fuzz/libptcpdump.a $(ND_FUZZ_LIB)
	$(say) LD $@
	$(Q)$(CLANG) -g $(FUZZ_FLAGS) -fsanitize=fuzzer -Wl,--as-needed $(WRAP_FLAGS) $(fakes) -o $@ $(call group,$^) $(PKG_LIBS)
-include $(wildcard $(B)/fuzz/obj/tests/fuzz/*.d)

# FUZZ="NAME NAME": only these. What is found is kept in build/fuzz/findings, new inputs in build/fuzz/corpus.
fuzz: $(FUZZ:%=$(B)/fuzz/%)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run.sh $(FUZZ)

# --- style -------------------------------------------------------------------------

STYLED := $(wildcard include/ptcpdump/*.h bpf/*.[ch] src/*.[ch] src/*/*.[ch] src/*/*/*.[ch] tests/*/*.[ch] \
	tests/*/*/*.[ch] deps/*.c scripts/*.c)
format:
	clang-format -i $(STYLED)
check-format:
	clang-format --dry-run -Werror $(STYLED)

# .clang-tidy says which checks; CONTRIBUTING.md what the structure is.
TIDY_FLAGS := $(STD) $(CPPFLAGS) $(ND_CPPFLAGS)
lint: $(GEN) $(ND_LIB)
	scripts/check-structure
	@echo clang-tidy $(words $(SRC)) files
	$(Q)printf '%s\n' $(SRC) | xargs -P 2 -I{} clang-tidy --quiet {} -- $(TIDY_FLAGS) 2>/dev/null
	shellcheck .ci/run tests/run deploy/kubernetes/kubectl-ptcpdump $(wildcard deps/*.sh scripts/*.sh tests/*.sh)
	@# Tests share variables and functions with libraries that shellcheck does not follow.
	shellcheck -s bash -S warning -e SC1007,SC2033,SC2034 $(wildcard tests/*/*.sh)

# --- the rest ------------------------------------------------------------------------

# Written by the program from its table of options; the results are part of the repository.
completions: $(B)/ptcpdump
	@mkdir -p $@
	$(Q)for shell in bash zsh fish; do $< --completion $$shell >$@/ptcpdump.$$shell; done

# Where Wireshark looks for programs that capture for it; EXTCAPDIR= makes no link. 4.6 has it in libexec.
EXTCAP_USUAL = $(subst //,/,/usr/lib/$(shell $(CC) -print-multiarch 2>/dev/null)/wireshark/extcap)
EXTCAPDIR ?= $(eval EXTCAPDIR := $$(or $$(shell $(PKG_CONFIG) --variable=extcapdir wireshark 2>/dev/null),$\
	$$(firstword $$(wildcard /usr/libexec/wireshark/extcap) $(EXTCAP_USUAL))))$(EXTCAPDIR)
EXTCAP_LINK = $(DESTDIR)$(EXTCAPDIR)/ptcpdump
# A file that is no link is somebody else's. Who may write to PREFIX only, installs the rest.
extcap_link = if [ -e '$(EXTCAP_LINK)' ] && [ ! -L '$(EXTCAP_LINK)' ]; then \
		echo '$(EXTCAP_LINK) is no link, and stays' >&2; \
	else \
		mkdir -p '$(DESTDIR)$(EXTCAPDIR)' && ln -sfn '$(PREFIX)/bin/ptcpdump' '$(EXTCAP_LINK)' || \
			echo 'no link for Wireshark; each user can make one: ptcpdump --install-extcap' >&2; \
	fi

# make install PROGRAM=build/static/ptcpdump
PROGRAM ?= $(B)/ptcpdump
UNITDIR ?= $(PREFIX)/lib/systemd/system
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
DOCDIR = $(DESTDIR)$(PREFIX)/share/doc/ptcpdump

install: $(PROGRAM)
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/ptcpdump
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin deploy/kubernetes/kubectl-ptcpdump
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 man/ptcpdump.8
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man7 man/ptcpdump-filter.7
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 man/kubectl-ptcpdump.1
	install -D -m 644 completions/ptcpdump.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/ptcpdump
	install -D -m 644 completions/ptcpdump.zsh $(DESTDIR)$(ZSHDIR)/_ptcpdump
	install -D -m 644 completions/ptcpdump.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/ptcpdump.fish
	install -D -m 644 -t $(DOCDIR) LICENSE NOTICE README.md CHANGELOG.md deploy/systemd/ptcpdump.default
	install -D -m 644 -t $(DOCDIR)/LICENSES LICENSES/*.txt
	@mkdir -p $(DESTDIR)$(UNITDIR)
	sed 's,/usr/bin/,$(PREFIX)/bin/,' deploy/systemd/ptcpdump@.service >$(DESTDIR)$(UNITDIR)/ptcpdump@.service
	$(if $(EXTCAPDIR),@$(extcap_link))
	$(if $(WIRESHARK_PLUGINS),install -D -m 644 -t $(DESTDIR)$(WIRESHARK_PLUGINS) deploy/wireshark/ptcpdump.lua)
	$(if $(WIRESHARK_PROFILES),install -D -m 644 -t $(DESTDIR)$(WIRESHARK_PROFILES)/ptcpdump deploy/wireshark/profile/ptcpdump/*)

# Whatever else is in these folders is not ours.
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/ptcpdump $(DESTDIR)$(PREFIX)/bin/kubectl-ptcpdump \
		$(DESTDIR)$(PREFIX)/share/man/man8/ptcpdump.8 \
		$(DESTDIR)$(PREFIX)/share/man/man7/ptcpdump-filter.7 \
		$(DESTDIR)$(PREFIX)/share/man/man1/kubectl-ptcpdump.1 \
		$(DESTDIR)$(UNITDIR)/ptcpdump@.service \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/ptcpdump \
		$(DESTDIR)$(ZSHDIR)/_ptcpdump \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/ptcpdump.fish
	rm -rf $(DOCDIR)
	$(if $(EXTCAPDIR),[ ! -L '$(EXTCAP_LINK)' ] || rm '$(EXTCAP_LINK)')
	$(if $(WIRESHARK_PLUGINS),rm -f $(DESTDIR)$(WIRESHARK_PLUGINS)/ptcpdump.lua)
	$(if $(WIRESHARK_PROFILES),rm -rf $(DESTDIR)$(WIRESHARK_PROFILES)/ptcpdump)

# What a release has; scripts/release.sh makes all of it. From the last commit; the tarballs that are built in are in it, too.
R := build/release
DIST_TARS := $(TCPDUMP_TAR) $(PCAP_TAR) $(CURL_TAR) $(CJSON_TAR) $(LIBBPF_TAR)
dist: $(DIST_TARS)
	scripts/dist.sh $(R) $(DIST_TARS)

packages: static
	scripts/package.sh $(B)/static/ptcpdump $(R) tar deb rpm

clean:
	rm -rf $(filter-out $(B)/deps $(B)/%-linux-gnu,$(wildcard $(B)/*))
distclean:
	rm -rf $(B)

help:
	@sed -n '3,/^$$/s/^# \{0,1\}//p' Makefile
	@echo "More: $(SUITES:%=check-%) golden bench check-clean format check-format lint install uninstall dist packages clean distclean"
	@echo "Settings: V=1 WERROR=1 CROSS= SYSROOT= SANITIZE= CC= CLANG= BPFTOOL= CFLAGS= DISTDIR= PREFIX= DESTDIR= EXTCAPDIR="

.DEFAULT_GOAL := all
.PHONY: FORCE all check-fast vm-kernels wireshark-versions completions fuzz static asan tsan tests check demo setup bench golden check-clean format check-format lint install uninstall dist packages clean distclean help $(SUITES:%=check-%)
