# SPDX-License-Identifier: BSD-3-Clause
#
# Third-party sources, pinned by version and sha256, built into build/deps. `make` needs only libnetdissect, which no
# distribution packages; `make static` also builds what Debian has no usable archive (.a) of.
# deps/fetch.sh looks in $DISTDIR, then on the Debian mirror that apt already uses, then upstream. A source tarball of `make dist` has
# them in its own folder distfiles.

DISTDIR ?= $(wildcard distfiles)
export DISTDIR

D := $(B)/deps
# The sources themselves are the same for each machine.
DIST := build/deps/src

TCPDUMP_V := 4.99.6
TCPDUMP_SUM := 40a8cefd45f0d2a06827e6658efb830d484868c449ad80f7efb33516af44f3da
TCPDUMP_DEB := pool/main/t/tcpdump/tcpdump_$(TCPDUMP_V).orig.tar.xz
TCPDUMP_URL := https://www.tcpdump.org/release/tcpdump-$(TCPDUMP_V).tar.xz

PCAP_V := 1.10.5
PCAP_SUM := 84fa89ac6d303028c1c5b754abff77224f45eca0a94eb1a34ff0aa9ceece3925
PCAP_DEB := pool/main/libp/libpcap/libpcap_$(PCAP_V).orig.tar.xz
PCAP_URL := https://www.tcpdump.org/release/libpcap-$(PCAP_V).tar.xz

CURL_V := 8.14.1
CURL_SUM := 6766ada7101d292b42b8b15681120acd68effa4a9660935853cf6d61f0d984d4
CURL_DEB := pool/main/c/curl/curl_$(CURL_V).orig.tar.gz
CURL_URL := https://curl.se/download/curl-$(CURL_V).tar.gz

CJSON_V := 1.7.18
CJSON_SUM := 3aa806844a03442c00769b83e99970be70fbef03735ff898f4811dd03b9f5ee5
CJSON_DEB := pool/main/c/cjson/cjson_$(CJSON_V).orig.tar.gz
CJSON_URL := https://github.com/DaveGamble/cJSON/archive/refs/tags/v$(CJSON_V).tar.gz

LIBBPF_V := 1.1.2
LIBBPF_SUM := b50ab60637fb713db78aa98e6ca911ddf13c0799d498a1f6ec03ebffc7dca588
LIBBPF_DEB := pool/main/libb/libbpf/libbpf_$(LIBBPF_V).orig.tar.gz
LIBBPF_URL := https://github.com/libbpf/libbpf/archive/refs/tags/v$(LIBBPF_V).tar.gz

TCPDUMP_TAR := $(DIST)/tcpdump-$(TCPDUMP_V).tar.xz
PCAP_TAR := $(DIST)/libpcap-$(PCAP_V).tar.xz
CURL_TAR := $(DIST)/curl-$(CURL_V).tar.gz
CJSON_TAR := $(DIST)/cjson-$(CJSON_V).tar.gz
LIBBPF_TAR := $(DIST)/libbpf-$(LIBBPF_V).tar.gz

$(TCPDUMP_TAR):
	$(Q)deps/fetch.sh $@ $(TCPDUMP_SUM) $(TCPDUMP_DEB) $(TCPDUMP_URL)
$(PCAP_TAR):
	$(Q)deps/fetch.sh $@ $(PCAP_SUM) $(PCAP_DEB) $(PCAP_URL)
$(CURL_TAR):
	$(Q)deps/fetch.sh $@ $(CURL_SUM) $(CURL_DEB) $(CURL_URL)
$(CJSON_TAR):
	$(Q)deps/fetch.sh $@ $(CJSON_SUM) $(CJSON_DEB) $(CJSON_URL)
$(LIBBPF_TAR):
	$(Q)deps/fetch.sh $@ $(LIBBPF_SUM) $(LIBBPF_DEB) $(LIBBPF_URL)

# $(call unpack,TARBALL,FOLDER)
unpack = rm -rf $(2) && mkdir -p $(2) && tar -xf $(1) -C $(2) --strip-components=1
# $(call logged,LOGFILE,command): silent unless it fails.
logged = { $(2); } >$(1) 2>&1 || { tail -n 30 $(1) >&2; false; }

# What CROSS= has configure know (deps/cross.mk).
CONFIGURE_HOST := $(CROSS:%=--host=%)

# For what reads hostile bytes.
HARDENED := -fstack-protector-strong $(FORTIFY)
# Nothing here unwinds the stack; debuggers have .debug_frame for that.
NO_UNWIND := -fno-asynchronous-unwind-tables -fno-unwind-tables

# --- libnetdissect: headers and archive; the folder with config.h is also where tcpdump's own tests run ----

ND_SRC := $(D)/tcpdump-$(TCPDUMP_V)
ND_OBJ := $(D)/netdissect
ND_BUILT := $(ND_OBJ)/libnetdissect.a
ND_LIB := $(ND_OBJ)/libnetdissect-closed.a
# As system headers: their warnings are not ours. The folder also has an ip.h, a tcp.h..., so only text*.c sees it.
ND_CPPFLAGS := -isystem $(ND_OBJ) -isystem $(ND_SRC)

# Libraries are built anew when their flags change, which stand here. CC and CFLAGS given to make reach configure only through the command line below; -ffunction-sections is for the
# static build.
$(ND_BUILT): $(TCPDUMP_TAR) deps/deps.mk
	$(say) DEP libnetdissect $(TCPDUMP_V)
	$(Q)$(call unpack,$<,$(ND_SRC)) && rm -rf $(ND_OBJ) && mkdir -p $(ND_OBJ)
	$(Q)cd $(ND_OBJ) && $(call logged,configure.log,$(CROSS_ENV) $(abspath $(ND_SRC))/configure -q $(CONFIGURE_HOST) --with-crypto --without-smi \
		--without-cap-ng --disable-local-libpcap CC="$(CC)" CFLAGS="-O2 -g -fPIE $(HARDENED) $(SAME_BYTES) $(NO_UNWIND) -ffunction-sections -fdata-sections")
	$(Q)$(call logged,$(ND_OBJ)/make.log,$(MAKE) -C $(ND_OBJ) CC="$(CC)" libnetdissect.a)
	$(Q)touch $@

# $(call nd_variant,NAME,FOLDER,said,compiler,flags): ND_NAME_BUILT and ND_NAME_LIB.
define nd_variant
ND_$(1)_BUILT := $(2)/libnetdissect.a
ND_$(1)_LIB := $(2)/libnetdissect-closed.a

$(2)/libnetdissect.a: $(ND_BUILT)
	$$(say) DEP libnetdissect, $(3)
	$$(Q)rm -rf $(2) && mkdir -p $(2)
	$$(Q)cd $(2) && $$(call logged,configure.log,$(CROSS_ENV) $(abspath $(ND_SRC))/configure -q $(CONFIGURE_HOST) --with-crypto --without-smi \
		--without-cap-ng --disable-local-libpcap CC="$(4)" CFLAGS="-O1 -g $(5)")
	$$(Q)$$(call logged,$(2)/make.log,$$(MAKE) -C $(2) CC="$(4)" libnetdissect.a)
	$$(Q)touch $$@
endef

# The dissectors read hostile bytes: the sanitized program has sanitized ones, and libFuzzer some that it can follow.
ifeq ($(SANITIZE),yes)
$(eval $(call nd_variant,ASAN,$(D)/netdissect-asan,sanitized,$$(CC),$$(ASAN)))
else
ND_ASAN_BUILT := $(ND_BUILT)
ND_ASAN_LIB := $(ND_LIB)
endif
$(eval $(call nd_variant,FUZZ,$(D)/netdissect-fuzz,fuzzed,$$(FUZZ_CC),$$(FUZZ_FLAGS)))

# What would open files and sockets while it dissects; src/output/netdissect_files.c has each as closed_NAME.
CLOSED := fopen gethostbyaddr ether_ntohost getrpcbynumber if_indextoname EVP_get_cipherbyname

$(ND_LIB): $(ND_BUILT)
$(ND_ASAN_LIB): $(ND_ASAN_BUILT)
$(ND_FUZZ_LIB): $(ND_FUZZ_BUILT)
$(sort $(ND_LIB) $(ND_ASAN_LIB) $(ND_FUZZ_LIB)): deps/deps.mk
	$(Q)$(OBJCOPY) $(foreach name,$(CLOSED),--redefine-sym $(name)=closed_$(name)) $(@:-closed.a=.a) $@

# --- libbpf, where the system's is older than 1.0 (Ubuntu 22.04) --------------------

OWN_LIBBPF := $(shell $(PKG_CONFIG) --exists libbpf 2>/dev/null && ! $(PKG_CONFIG) --atleast-version=1.0 libbpf && echo yes)
ifeq ($(OWN_LIBBPF),yes)
LIBBPF_LIB := $(abspath $(D))/libbpf/lib/libbpf.a
LIBBPF_INC := -I$(D)/libbpf/include
endif

# Its headers come with it, for our BPF programs as well.
$(abspath $(D))/libbpf/lib/libbpf.a: $(LIBBPF_TAR)
	$(say) DEP libbpf $(LIBBPF_V)
	$(Q)$(call unpack,$<,$(D)/libbpf/src)
	$(Q)$(call logged,$(D)/libbpf/make.log,$(MAKE) -C $(D)/libbpf/src/src BUILD_STATIC_ONLY=1 \
		OBJDIR=$(abspath $(D))/libbpf/obj PREFIX=$(abspath $(D))/libbpf LIBDIR=$(abspath $(D))/libbpf/lib CC="$(CC)" \
		CFLAGS="-O2 -g -fPIC $(SAME_BYTES)" install)

# --- only for the static program -------------------------------------------------

S := $(abspath $(D))/static
DEP_CFLAGS := -Os -fPIE $(HARDENED) $(SAME_BYTES) $(NO_UNWIND) -ffunction-sections -fdata-sections

STATIC_DEPS := $(D)/static/lib/libpcap.a $(D)/static/lib/libcurl.a $(D)/static/lib/libcjson.a
STATIC_CPPFLAGS := -I$(D)/static/include -DCURL_STATICLIB -fPIE
# Debian 13's liblz4.a wants libxxhash.
STATIC_LIBS = $(STATIC_DEPS) -lnghttp2 -lmbedtls -lmbedx509 -lmbedcrypto -lprotobuf-c $(or $(LIBBPF_LIB),-lbpf) \
	-lelf -lutf8proc -llzma -lzstd $(shell $(PKG_CONFIG) --static --libs liblz4) -lz -lpthread -ldl

# Debian's libpcap.a wants D-Bus, systemd and libibverbs. As a shared library it exports only what its headers declare;
# the archive gets the same treatment, so that its inner names cannot clash with ours.
$(D)/static/lib/libpcap.a: $(PCAP_TAR) deps/deps.mk
	$(say) DEP libpcap $(PCAP_V)
	$(Q)$(call unpack,$<,$(D)/libpcap)
	$(Q)cd $(D)/libpcap && $(call logged,configure.log,$(CROSS_ENV) ./configure -q $(CONFIGURE_HOST) --with-pcap=linux --prefix=$(S) --disable-shared --disable-dbus \
		--disable-rdma --disable-usb --disable-bluetooth --without-libnl --without-dag --without-snf \
		--without-turbocap --without-dpdk CC="$(CC)" CFLAGS="$(DEP_CFLAGS)")
	$(Q)$(call logged,$(D)/libpcap/make.log,$(MAKE) -C $(D)/libpcap CC="$(CC)" libpcap.a)
	$(Q)cd $(D)/libpcap && $(LD) -r -o all.o --whole-archive libpcap.a && \
		$(OBJCOPY) -w --keep-global-symbol='pcap_*' --keep-global-symbol='bpf_*' all.o
	$(Q)mkdir -p $(S)/lib $(S)/include && rm -f $@ && $(AR) rcs $@ $(D)/libpcap/all.o
	$(Q)cp -r $(D)/libpcap/pcap.h $(D)/libpcap/pcap $(S)/include/

# Debian's libcurl.a wants Kerberos, LDAP and more. HTTP over TCP, TLS and unix sockets is all that is used.
CURL_OFF := ldap ldaps ftp file rtsp dict telnet tftp pop3 imap smb smtp gopher mqtt manual docs ntlm kerberos-auth \
	negotiate-auth aws tls-srp cookies alt-svc hsts doh netrc progress-meter dateparse websockets ipfs \
	libcurl-option form-api mime headers-api
CURL_WITHOUT := zlib brotli zstd libpsl libidn2 librtmp libssh2 libssh libgsasl nghttp2 nghttp3 ngtcp2 ca-bundle ca-path

$(D)/static/lib/libcurl.a: $(CURL_TAR) deps/deps.mk
	$(say) DEP curl $(CURL_V)
	$(Q)$(call unpack,$<,$(D)/curl)
	$(Q)cd $(D)/curl && $(call logged,configure.log,$(CROSS_ENV) ./configure --quiet $(CONFIGURE_HOST) --prefix=$(S) --disable-shared \
		--enable-static --disable-dependency-tracking --with-mbedtls --enable-http --enable-unix-sockets \
		--enable-threaded-resolver $(CURL_OFF:%=--disable-%) $(CURL_WITHOUT:%=--without-%) \
		CC="$(CC)" CFLAGS="$(DEP_CFLAGS)")
	$(Q)$(call logged,$(D)/curl/make.log,$(MAKE) -C $(D)/curl/lib CC="$(CC)" install && \
		$(MAKE) -C $(D)/curl/include install)

# Debian 12 has no libcjson.a.
$(D)/static/lib/libcjson.a: $(CJSON_TAR) deps/deps.mk
	$(say) DEP cJSON $(CJSON_V)
	$(Q)$(call unpack,$<,$(D)/cjson)
	$(Q)mkdir -p $(S)/lib $(S)/include/cjson && cp $(D)/cjson/cJSON.h $(S)/include/cjson/
	$(Q)$(CC) $(DEP_CFLAGS) -c $(D)/cjson/cJSON.c -o $(D)/cjson/cJSON.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(D)/cjson/cJSON.o
