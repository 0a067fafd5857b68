/* SPDX-License-Identifier: BSD-3-Clause */
#include "options_table.h"

#include <ctype.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <pwd.h>
#include <stdlib.h>
#include <strings.h>

#include "options_value.h"

enum { MAX_SNAPLEN = 262144, MAX_PID = 4194304, MAX_SETTLE_MS = 10000 };

static void *field(struct options *o, const struct option_desc *d)
{
	return (char *)o + d->offset;
}

static int parse_count(struct options *o, const struct option_desc *d, const char *arg)
{
	int *n = field(o, d);

	(void)arg;
	++*n;
	return 0;
}

static int parse_true(struct options *o, const struct option_desc *d, const char *arg)
{
	bool *flag = field(o, d);

	(void)arg;
	*flag = true;
	return 0;
}

static int parse_ignored(struct options *o, const struct option_desc *d, const char *arg)
{
	(void)o;
	(void)d;
	(void)arg;
	return 0;
}

static int parse_string(struct options *o, const struct option_desc *d, const char *arg)
{
	const char **s = field(o, d);

	*s = arg;
	return 0;
}

static int parse_list(struct options *o, const struct option_desc *d, const char *arg)
{
	if (str_list_split(field(o, d), arg) == 0)
		return 0;
	if (d->key == 'i')
		log_error("%s: No such device exists; a name is empty", arg);
	else
		log_error("--%s needs a value that is not empty", d->name);
	return -EINVAL;
}

/* A process may have commas in its name. */
static int parse_name(struct options *o, const struct option_desc *d, const char *arg)
{
	if (*arg == '\0') {
		log_error("--%s needs a value that is not empty", d->name);
		return -EINVAL;
	}
	str_list_add(field(o, d), arg, strlen(arg));
	return 0;
}

static int parse_pid(struct options *o, const struct option_desc *d, const char *arg)
{
	if (u32_list_split(field(o, d), arg, 1, MAX_PID) == 0)
		return 0;
	log_error("--pid '%s' is not a process number: give 1 to %d, or --pname for a name", arg, MAX_PID);
	return -EINVAL;
}

static int parse_uid(struct options *o, const struct option_desc *d, const char *arg)
{
	if (u32_list_split(field(o, d), arg, 0, UINT32_MAX - 1) == 0)
		return 0;
	log_error("--uid '%s' is not a user number: 'id -u NAME' prints it", arg);
	return -EINVAL;
}

static int parse_container_id(struct options *o, const struct option_desc *d, const char *arg)
{
	struct str_list *list = field(o, d);

	if (parse_list(o, d, arg))
		return -EINVAL;
	for (size_t i = 0; i < list->n; i++) {
		if (strlen(list->v[i]) >= 12)
			continue;
		log_error("--container-id '%s' is too short: at least 12 characters of the id are needed", list->v[i]);
		return -EINVAL;
	}
	return 0;
}

static int parse_buffer_size(struct options *o, const struct option_desc *d, const char *arg)
{
	size_t *bytes = field(o, d);
	int64_t kib;

	if (parse_int(arg, 1, INT32_MAX / 1024, &kib)) {
		log_error("invalid packet buffer size %s (KiB, at least 1)", arg);
		return -EINVAL;
	}
	*bytes = (size_t)kib * 1024;
	return 0;
}

static int parse_packets(struct options *o, const struct option_desc *d, const char *arg)
{
	uint64_t *count = field(o, d);
	int64_t n;

	if (parse_int(arg, 1, INT64_MAX, &n)) {
		log_error("invalid packet count %s (must be a number >= 1)", arg);
		return -EINVAL;
	}
	*count = (uint64_t)n;
	return 0;
}

static int parse_file_size(struct options *o, const struct option_desc *d, const char *arg)
{
	static const struct {
		char letter;
		int64_t unit;
	} units[] = { { 'k', INT64_C(1) << 10 }, { 'm', INT64_C(1) << 20 }, { 'g', INT64_C(1) << 30 } };
	int64_t *size = field(o, d), unit = 1000000, n;
	char *end;

	errno = 0;
	n = strtoll(arg, &end, 10);
	if (end == arg || errno || n <= 0)
		goto invalid;
	if (*end != '\0') {
		unit = 0;
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
			if (tolower((unsigned char)*end) == units[i].letter && end[1] == '\0')
				unit = units[i].unit;
		}
		if (unit == 0)
			goto invalid;
	}
	if (n > INT64_MAX / unit) {
		log_error("file size %s is too large", arg);
		return -EINVAL;
	}
	*size = n * unit;
	return 0;
invalid:
	log_error("invalid file size %s (a number >= 1 of millions of bytes, or with k, m, g)", arg);
	return -EINVAL;
}

static int parse_seconds(struct options *o, const struct option_desc *d, const char *arg)
{
	uint32_t *seconds = field(o, d);
	int64_t n;

	/* 0 is no rotation to tcpdump, too. */
	if (parse_int(arg, 0, INT32_MAX, &n)) {
		log_error("invalid number of seconds %s (must be a number >= 0; 0: no new files)", arg);
		return -EINVAL;
	}
	*seconds = (uint32_t)n;
	return 0;
}

static int parse_file_count(struct options *o, const struct option_desc *d, const char *arg)
{
	uint32_t *files = field(o, d);
	int64_t n;

	if (parse_int(arg, 1, INT32_MAX, &n)) {
		log_error("invalid number of output files %s (must be a number >= 1)", arg);
		return -EINVAL;
	}
	*files = (uint32_t)n;
	return 0;
}

static int parse_settle(struct options *o, const struct option_desc *d, const char *arg)
{
	uint32_t *ms = field(o, d);
	int64_t n;

	if (parse_int(arg, 0, MAX_SETTLE_MS, &n)) {
		log_error("--settle '%s' is not a time: give 0 to %d milliseconds", arg, MAX_SETTLE_MS);
		return -EINVAL;
	}
	*ms = (uint32_t)n;
	return 0;
}

static int parse_direction(struct options *o, const struct option_desc *d, const char *arg)
{
	enum direction *dir = field(o, d);

	if (strcasecmp(arg, "in") == 0)
		*dir = DIR_IN;
	else if (strcasecmp(arg, "out") == 0)
		*dir = DIR_OUT;
	else if (strcasecmp(arg, "inout") == 0)
		*dir = DIR_NONE;
	else {
		log_error("unknown capture direction '%s' (must be in, out or inout)", arg);
		return -EINVAL;
	}
	return 0;
}

static int parse_snaplen(struct options *o, const struct option_desc *d, const char *arg)
{
	uint32_t *snaplen = field(o, d);
	char *end;
	long n;

	errno = 0;
	n = strtol(arg, &end, 0);
	if (end == arg || *end != '\0' || errno || n < 0 || n > MAX_SNAPLEN) {
		log_error("invalid snaplen %s (must be >= 0 and <= %d)", arg, MAX_SNAPLEN);
		return -EINVAL;
	}
	*snaplen = n ? (uint32_t)n : MAX_SNAPLEN;
	return 0;
}

static int parse_precision(struct options *o, const struct option_desc *d, const char *arg)
{
	bool *nano = field(o, d);

	/* --micro and --nano come here without a value. */
	if (!arg)
		arg = d->name;
	if (strcmp(arg, "micro") != 0 && strcmp(arg, "nano") != 0) {
		log_error("unsupported time stamp precision '%s' (must be micro or nano)", arg);
		return -EINVAL;
	}
	*nano = strcmp(arg, "nano") == 0;
	return 0;
}

static int parse_tstamp_type(struct options *o, const struct option_desc *d, const char *arg)
{
	if (pcap_tstamp_type_name_to_val(arg) < 0) {
		log_error("invalid time stamp type %s (-J lists them)", arg);
		return -EINVAL;
	}
	return parse_string(o, d, arg);
}

static int parse_link_type(struct options *o, const struct option_desc *d, const char *arg)
{
	o->dlt = pcap_datalink_name_to_val(arg);
	if (o->dlt < 0) {
		log_error("invalid data link type %s (-L lists those of an interface)", arg);
		return -EINVAL;
	}
	return parse_string(o, d, arg);
}

static int parse_user(struct options *o, const struct option_desc *d, const char *arg)
{
	const struct passwd *pw = getpwnam(arg);

	if (!pw) {
		log_error("Couldn't find user '%.32s'", arg);
		return -EINVAL;
	}
	o->user_uid = pw->pw_uid;
	o->user_gid = pw->pw_gid;
	return parse_string(o, d, arg);
}

static int parse_read_file(struct options *o, const struct option_desc *d, const char *arg)
{
	if (o->read_file) {
		log_error("-r is given twice ('%s' and '%s'): one file is read at a time, -V reads a list of files",
			  o->read_file, arg);
		return -EINVAL;
	}
	if (*arg == '\0') {
		log_error("-r was given an empty name: it wants a pcap or pcapng file, or \"-\" for standard input");
		return -EINVAL;
	}
	return parse_string(o, d, arg);
}

static int parse_backend(struct options *o, const struct option_desc *d, const char *arg)
{
	if (strcmp(arg, "help") == 0) {
		o->action = ACTION_LIST_BACKENDS;
		return 0;
	}
	if (!word_in(d->choices, arg)) {
		log_error("unknown backend '%s' (must be one of %s; 'help' tells what this kernel offers)", arg,
			  d->choices);
		return -EINVAL;
	}
	return parse_string(o, d, arg);
}

static int parse_log_level(struct options *o, const struct option_desc *d, const char *arg)
{
	enum log_level *level = field(o, d);

	/* The Go program's level above "error". */
	if (strcmp(arg, "fatal") == 0)
		arg = "error";
	if (log_parse_level(arg, level)) {
		log_error("unknown log level '%s' (must be one of %s)", arg, d->choices);
		return -EINVAL;
	}
	return 0;
}

static int parse_context(struct options *o, const struct option_desc *d, const char *arg)
{
	struct str_list words = { 0 };
	unsigned *context = field(o, d);
	int err = 0;

	/* The first --context replaces the default, further ones add to it. */
	if (*context & CONTEXT_DEFAULT)
		*context = 0;
	if (strcmp(arg, "") != 0 && str_list_split(&words, arg))
		err = -EINVAL;
	for (size_t i = 0; i < words.n && !err; i++) {
		const unsigned bits = annot_context(&annotation_schema, words.v[i]);

		*context |= bits;
		if (!bits)
			err = -EINVAL;
	}
	str_list_done(&words);
	if (err)
		log_error("--context '%s' is not a list of %s", arg, d->choices);
	return err;
}

static int parse_action(struct options *o, const struct option_desc *d, const char *arg)
{
	(void)arg;
	if (o->action == ACTION_NONE)
		o->action = (enum options_action)d->value;
	return 0;
}

static int parse_completion(struct options *o, const struct option_desc *d, const char *arg)
{
	if (!word_in(d->choices, arg)) {
		log_error("--completion '%s': the shells are %s", arg, d->choices);
		return -EINVAL;
	}
	o->action = ACTION_COMPLETION;
	return parse_string(o, d, arg);
}

static int parse_unserved(struct options *o, const struct option_desc *d, const char *arg)
{
	(void)o;
	(void)d;
	(void)arg;
	log_error("-Y needs a libpcap that was built to debug its parser");
	return -EINVAL;
}

#define AT(member) offsetof(struct options, member)

enum {
	OPT_NETNS = OPTION_LONG,
	OPT_BACKEND,
	OPT_KERNEL_BTF,
	OPT_IMMEDIATE,
	OPT_PID,
	OPT_PNAME,
	OPT_UID,
	OPT_CONTAINER_ID,
	OPT_CONTAINER_NAME,
	OPT_POD_NAME,
	OPT_CONTEXT,
	OPT_NO_REVERSE,
	OPT_DOCKER,
	OPT_CONTAINERD,
	OPT_CRI,
	OPT_KEYLOG,
	OPT_EMBED,
	OPT_ONELINE,
	OPT_COUNT,
	OPT_PRINT,
	OPT_UTC,
	OPT_PRECISION,
	OPT_MICRO,
	OPT_NANO,
	OPT_SETTLE,
	OPT_EVENT_CHAN,
	OPT_EXEC_WORKERS,
	OPT_DELAY,
	OPT_LOG_LEVEL,
	OPT_PROBE,
	OPT_VERSION,
	OPT_FP_TYPE,
	OPT_TIME_T_SIZE,
	OPT_COMPLETION,
};

const char *const option_group_title[GROUPS] = {
	[GROUP_CAPTURE] = "Capture", [GROUP_FILTER] = "Filter", [GROUP_PROCESS] = "Process and container",
	[GROUP_OUTPUT] = "Output",   [GROUP_FILES] = "Files",	[GROUP_TUNING] = "Tuning",
	[GROUP_OTHER] = "Other",
};

/* clang-format off: one option, its field and its text together */
const struct option_desc option_table[] = {
	{ 'i', "interface", "INTERFACE", GROUP_CAPTURE, parse_list, AT(ifaces), 0, NULL, HINT_IFACE,
	  "listen on this interface, by name or by the number that -D shows; repeat it or separate with commas; any: "
	  "all of them. Default: any when a process, user, container or command is asked for, else the first usable one" },
	{ OPT_NETNS, "netns", "NAME|PATH|any", GROUP_CAPTURE, parse_list, AT(netns), 0, NULL, HINT_FILE,
	  "listen in this network namespace, by name or path; repeatable; any: all of them, later ones too" },
	{ 'c', "receive-count", "N", GROUP_CAPTURE, parse_packets, AT(count), 0, NULL, HINT_NONE,
	  "stop after N packets" },
	{ 'Q', "direction", "DIRECTION", GROUP_CAPTURE, parse_direction, AT(direction), 0, "in out inout", HINT_NONE,
	  "only packets that come in, go out, or both (inout, the default)" },
	{ 's', "snapshot-length", "BYTES", GROUP_CAPTURE, parse_snaplen, AT(snaplen), 0, NULL, HINT_NONE,
	  "keep at most this much of each packet (0: the default, 262144)" },
	{ 'p', "no-promiscuous-mode", NULL, GROUP_CAPTURE, parse_count, AT(no_promiscuous), 0, NULL, HINT_NONE,
	  "don't put the interface into promiscuous mode" },
	{ OPT_BACKEND, "backend", "BACKEND", GROUP_CAPTURE, parse_backend, AT(backend), 0,
	  "tc cgroup-skb socket-filter tp-btf pcap", HINT_NONE,
	  "how packets are seen (default: tc, or pcap where only that can serve); help: what this kernel offers" },
	{ OPT_KERNEL_BTF, "kernel-btf", "FILE", GROUP_CAPTURE, parse_string, AT(kernel_btf), 0, NULL, HINT_FILE,
	  "BTF of this kernel (default /sys/kernel/btf/vmlinux, then /var/lib/ptcpdump/btf, else it is fetched)" },
	{ OPT_IMMEDIATE, "immediate-mode", NULL, GROUP_CAPTURE, parse_count, AT(immediate), 0, NULL, HINT_NONE,
	  "show and save packets as soon as they arrive" },
	{ 'I', "monitor-mode", NULL, GROUP_CAPTURE, parse_count, AT(monitor), 0, NULL, HINT_NONE,
	  "put the interface into 802.11 monitor mode (by the backend pcap)" },
	{ 'j', "time-stamp-type", "TYPE", GROUP_CAPTURE, parse_tstamp_type, AT(tstamp_type), 0, NULL, HINT_NONE,
	  "where time stamps come from, see -J (others than host: by the backend pcap)" },
	{ 'y', "linktype", "TYPE", GROUP_CAPTURE, parse_link_type, AT(dlt_name), 0, NULL, HINT_NONE,
	  "link type of the capture, see -L (another than the first: by the backend pcap), or of the filter that -d prints" },
	{ 'D', "list-interfaces", NULL, GROUP_CAPTURE, parse_action, 0, ACTION_LIST_IFACES, NULL, HINT_NONE,
	  "list the interfaces and exit" },
	{ 'L', "list-data-link-types", NULL, GROUP_CAPTURE, parse_action, 0, ACTION_LIST_LINK_TYPES, NULL, HINT_NONE,
	  "list the link types of the interface and exit" },
	{ 'J', "list-time-stamp-types", NULL, GROUP_CAPTURE, parse_action, 0, ACTION_LIST_TSTAMP_TYPES, NULL, HINT_NONE,
	  "list the time stamp types of the interface and exit" },
	{ OPT_PROBE, "probe", NULL, GROUP_CAPTURE, parse_action, 0, ACTION_PROBE, NULL, HINT_NONE,
	  "tell what this kernel offers, what is lost without it, and exit" },

	{ 'F', "expression-file", "FILE", GROUP_FILTER, parse_string, AT(expr_file), 0, NULL, HINT_FILE,
	  "read the filter expression from FILE; one on the command line is ignored" },
	{ 'O', "no-optimize", NULL, GROUP_FILTER, parse_count, AT(no_optimize), 0, NULL, HINT_NONE,
	  "don't optimize the filter program" },
	{ 'd', NULL, NULL, GROUP_FILTER, parse_count, AT(dump), 0, NULL, HINT_NONE,
	  "print the compiled filter and exit; -dd: as C, -ddd: as numbers" },

	{ OPT_PID, "pid", "PID", GROUP_PROCESS, parse_pid, AT(pids), 0, NULL, HINT_PID,
	  "only traffic of this process; repeatable; also with -r" },
	{ OPT_PNAME, "pname", "NAME", GROUP_PROCESS, parse_name, AT(pnames), 0, NULL, HINT_NONE,
	  "only traffic of processes of this name; repeatable; also with -r" },
	{ OPT_UID, "uid", "UID", GROUP_PROCESS, parse_uid, AT(uids), 0, NULL, HINT_NONE,
	  "only traffic of this user's processes; repeatable; also with -r" },
	{ 'f', "follow-forks", NULL, GROUP_PROCESS, parse_count, AT(follow_forks), 0, NULL, HINT_NONE,
	  "with --pid, --pname and --uid: their child processes too (not tcpdump's -f)" },
	{ OPT_CONTAINER_ID, "container-id", "ID", GROUP_PROCESS, parse_container_id, AT(container_ids), 0, NULL,
	  HINT_NONE, "only traffic of this container, at least 12 characters of its id; repeatable; also with -r" },
	{ OPT_CONTAINER_NAME, "container-name", "NAME", GROUP_PROCESS, parse_list, AT(container_names), 0, NULL,
	  HINT_NONE, "only traffic of the containers of this name; repeatable; also with -r" },
	{ OPT_POD_NAME, "pod-name", "NAME.NAMESPACE", GROUP_PROCESS, parse_list, AT(pod_names), 0, NULL, HINT_NONE,
	  "only traffic of this pod (without a namespace: default); repeatable; also with -r" },
	{ OPT_CONTEXT, "context", "LIST", GROUP_PROCESS, parse_context, AT(context), 0, annotation_words, HINT_LIST,
	  "which annotations to show and save (default: all)" },
	{ OPT_NO_REVERSE, "disable-reverse-match", NULL, GROUP_PROCESS, parse_count, AT(no_reverse_match), 0, NULL,
	  HINT_NONE, "never show the process of the other end when that of the right end is unknown" },
	{ OPT_DOCKER, "docker-address", "SOCKET", GROUP_PROCESS, parse_string, AT(docker_address), 0, NULL, HINT_FILE,
	  "socket of the Docker Engine (default /var/run/docker.sock)" },
	{ OPT_CONTAINERD, "containerd-address", "SOCKET", GROUP_PROCESS, parse_string, AT(containerd_address), 0, NULL,
	  HINT_FILE, "socket of containerd (default /run/containerd/containerd.sock)" },
	{ OPT_CRI, "cri-runtime-address", "SOCKET", GROUP_PROCESS, parse_string, AT(cri_address), 0, NULL, HINT_FILE,
	  "socket of the CRI runtime (default: the first usual one that answers)" },
	{ OPT_KEYLOG, "write-keylog-file", "FILE", GROUP_PROCESS, parse_string, AT(keylog_file), 0, NULL, HINT_FILE,
	  "write the TLS secrets of the command to FILE" },
	{ OPT_EMBED, "embed-keylog-to-pcapng", NULL, GROUP_PROCESS, parse_count, AT(embed_keylog), 0, NULL, HINT_NONE,
	  "save the TLS secrets of the command in the file of -w" },

	{ 'A', "print-data-in-ascii", NULL, GROUP_OUTPUT, parse_count, AT(text.A), 0, NULL, HINT_NONE,
	  "print each packet without its link header in ASCII" },
	{ 'b', NULL, NULL, GROUP_OUTPUT, parse_count, AT(text.b), 0, NULL, HINT_NONE,
	  "print AS numbers of BGP in ASDOT notation" },
	{ 'e', NULL, NULL, GROUP_OUTPUT, parse_count, AT(text.e), 0, NULL, HINT_NONE, "print the link header" },
	{ 'E', NULL, "SPI@IP ALGO:SECRET,...", GROUP_OUTPUT, parse_string, AT(text.esp_secret), 0, NULL, HINT_NONE,
	  "decrypt IPsec ESP packets" },
	{ 'g', "ip-oneline", NULL, GROUP_OUTPUT, parse_count, AT(text.g), 0, NULL, HINT_NONE,
	  "no line break after the IP header with -v" },
	{ 'H', NULL, NULL, GROUP_OUTPUT, parse_count, AT(text.H), 0, NULL, HINT_NONE,
	  "try to detect 802.11s draft mesh headers" },
	{ 'K', "dont-verify-checksums", NULL, GROUP_OUTPUT, parse_count, AT(text.K), 0, NULL, HINT_NONE,
	  "don't verify IP, TCP and UDP checksums" },
	{ 'l', NULL, NULL, GROUP_OUTPUT, parse_true, AT(text.line_buffered), 0, NULL, HINT_NONE,
	  "write every line at once" },
	{ 'm', NULL, "MODULE", GROUP_OUTPUT, parse_string, AT(text.mib), 0, NULL, HINT_FILE,
	  "accepted, no effect: definitions of SMI MIBs are not supported" },
	{ 'M', NULL, "SECRET", GROUP_OUTPUT, parse_string, AT(text.md5_secret), 0, NULL, HINT_NONE,
	  "validate TCP-MD5 digests with SECRET" },
	{ 'n', "no-convert-addr", NULL, GROUP_OUTPUT, parse_count, AT(text.n), 0, NULL, HINT_NONE,
	  "don't convert addresses and ports to names" },
	{ 'N', NULL, NULL, GROUP_OUTPUT, parse_count, AT(text.N), 0, NULL, HINT_NONE,
	  "print host names without their domain" },
	{ '#', "number", NULL, GROUP_OUTPUT, parse_count, AT(text.number), 0, NULL, HINT_NONE,
	  "print a number in front of each packet" },
	{ OPT_ONELINE, "oneline", NULL, GROUP_OUTPUT, parse_true, AT(text.oneline), 0, NULL, HINT_NONE,
	  "print the verbose output of a packet on one line" },
	{ 'q', "quiet", NULL, GROUP_OUTPUT, parse_count, AT(text.q), 0, NULL, HINT_NONE,
	  "print less protocol information" },
	{ 'S', "absolute-tcp-sequence-numbers", NULL, GROUP_OUTPUT, parse_count, AT(text.S), 0, NULL, HINT_NONE,
	  "print absolute TCP sequence numbers" },
	{ 't', "print-timestamp", NULL, GROUP_OUTPUT, parse_count, AT(text.t), 0, NULL, HINT_NONE,
	  "-t: no time; -tt: seconds since 1970; -ttt: since the previous line; -tttt: with the date; -ttttt: since the "
	  "first line" },
	{ OPT_UTC, "utc-time", NULL, GROUP_OUTPUT, parse_true, AT(text.utc), 0, NULL, HINT_NONE, "print times in UTC" },
	{ OPT_PRECISION, "time-stamp-precision", "PRECISION", GROUP_OUTPUT, parse_precision, AT(text.nano), 0,
	  "micro nano", HINT_NONE, "print and save times in micro- or nanoseconds" },
	{ OPT_MICRO, "micro", NULL, GROUP_OUTPUT, parse_precision, AT(text.nano), 0, NULL, HINT_NONE,
	  "short for --time-stamp-precision=micro (the default)" },
	{ OPT_NANO, "nano", NULL, GROUP_OUTPUT, parse_precision, AT(text.nano), 0, NULL, HINT_NONE,
	  "short for --time-stamp-precision=nano" },
	{ 'T', NULL, "TYPE", GROUP_OUTPUT, parse_string, AT(text.type), 0,
	  "aodv carp cnfp domain lmp pgm pgm_zmtp1 ptp radius resp rpc rtcp rtp snmp someip tftp vat vxlan wb zmtp1",
	  HINT_NONE, "interpret the packets as this type" },
	{ 'u', NULL, NULL, GROUP_OUTPUT, parse_count, AT(text.u), 0, NULL, HINT_NONE, "print undecoded NFS handles" },
	{ 'v', "verbose", NULL, GROUP_OUTPUT, parse_count, AT(text.v), 0, NULL, HINT_NONE,
	  "print more; -vv and -vvv: more still; with -w: tell every second how many packets were captured" },
	{ 'x', "print-data-in-hex", NULL, GROUP_OUTPUT, parse_count, AT(text.x), 0, NULL, HINT_NONE,
	  "print each packet in hex; -xx: with its link header" },
	{ 'X', "print-data-in-hex-ascii", NULL, GROUP_OUTPUT, parse_count, AT(text.X), 0, NULL, HINT_NONE,
	  "print each packet in hex and ASCII; -XX: with its link header" },
	{ OPT_PRINT, "print", NULL, GROUP_OUTPUT, parse_count, AT(print), 0, NULL, HINT_NONE,
	  "print packets although -w saves them" },
	{ OPT_COUNT, "count", NULL, GROUP_OUTPUT, parse_count, AT(count_only), 0, NULL, HINT_NONE,
	  "with -r: print only the number of packets" },

	{ 'r', "read-file", "FILE", GROUP_FILES, parse_read_file, AT(read_file), 0, NULL, HINT_FILE,
	  "read packets from FILE (pcap or pcapng, compressed too; -: standard input)" },
	{ 'V', NULL, "FILE", GROUP_FILES, parse_string, AT(list_file), 0, NULL, HINT_FILE,
	  "read packets from the files whose names are the lines of FILE (-: standard input)" },
	{ 'w', "write-file", "FILE", GROUP_FILES, parse_string, AT(write_file), 0, NULL, HINT_FILE,
	  "save packets to FILE as pcapng, or as pcap when its name ends in .pcap (-: pcapng on standard output)" },
	{ 'C', "file-size", "SIZE", GROUP_FILES, parse_file_size, AT(rotate_bytes), 0, NULL, HINT_NONE,
	  "with -w: begin a new file after SIZE millions of bytes (k, m, g: KiB, MiB, GiB)" },
	{ 'G', NULL, "SECONDS", GROUP_FILES, parse_seconds, AT(rotate_seconds), 0, NULL, HINT_NONE,
	  "with -w: begin a new file every so many seconds; its name may hold conversions of strftime(3)" },
	{ 'W', "file-count", "N", GROUP_FILES, parse_file_count, AT(rotate_files), 0, NULL, HINT_NONE,
	  "with -C: overwrite the oldest of N files; with -G: stop after N files" },
	{ 'z', NULL, "COMMAND", GROUP_FILES, parse_string, AT(postrotate), 0, NULL, HINT_COMMAND,
	  "with -C or -G: run COMMAND with the name of each finished file" },
	{ 'U', "packet-buffered", NULL, GROUP_FILES, parse_count, AT(packet_buffered), 0, NULL, HINT_NONE,
	  "write every packet at once, to the file of -w, else to standard output" },
	{ 'Z', "relinquish-privileges", "USER", GROUP_FILES, parse_user, AT(user), 0, NULL, HINT_USER,
	  "as root: become USER once all is open (default: sudo's user, else tcpdump or nobody; root: stay)" },

	{ 'B', "buffer-size", "KIB", GROUP_TUNING, parse_buffer_size, AT(ring_bytes), 0, NULL, HINT_NONE,
	  "size of the kernel's packet buffers in KiB" },
	{ OPT_SETTLE, "settle", "MS", GROUP_TUNING, parse_settle, AT(settle_ms), 0, NULL, HINT_NONE,
	  "how long a packet waits for the process that will accept its connection (default 150; 0: not at all)" },
	{ OPT_EVENT_CHAN, "event-chan-size", "N", GROUP_TUNING, parse_ignored, 0, 0, NULL, HINT_NONE,
	  "accepted for compatibility, no effect" },
	{ OPT_EXEC_WORKERS, "exec-events-worker-number", "N", GROUP_TUNING, parse_ignored, 0, 0, NULL, HINT_NONE,
	  "accepted for compatibility, no effect" },
	{ OPT_DELAY, "delay-before-handle-packet-events", "TIME", GROUP_TUNING, parse_ignored, 0, 0, NULL, HINT_NONE,
	  "accepted for compatibility, no effect (see --settle)" },
	{ OPT_LOG_LEVEL, "log-level", "LEVEL", GROUP_TUNING, parse_log_level, AT(log_level), 0,
	  "debug info warn error fatal", HINT_NONE, "which messages to show (default warn)" },

	{ OPT_VERSION, "version", NULL, GROUP_OTHER, parse_action, 0, ACTION_VERSION, NULL, HINT_NONE,
	  "print the version and exit" },
	{ 'h', "help", NULL, GROUP_OTHER, parse_action, 0, ACTION_HELP, NULL, HINT_NONE, "print this and exit" },
	{ OPT_COMPLETION, "completion", "SHELL", GROUP_OTHER, parse_completion, AT(shell), 0, "bash zsh fish",
	  HINT_NONE, "print the completion script for a shell and exit" },

	{ OPT_FP_TYPE, "fp-type", NULL, GROUP_HIDDEN, parse_action, 0, ACTION_FP_TYPE, NULL, HINT_NONE, "" },
	{ OPT_TIME_T_SIZE, "time-t-size", NULL, GROUP_HIDDEN, parse_action, 0, ACTION_TIME_T_SIZE, NULL, HINT_NONE,
	  "" },
	{ 'a', NULL, NULL, GROUP_HIDDEN, parse_ignored, 0, 0, NULL, HINT_NONE, "" },
	{ 'Y', "debug-filter-parser", NULL, GROUP_HIDDEN, parse_unserved, 0, 0, NULL, HINT_NONE, "" },
};
/* clang-format on */
const size_t option_count = sizeof(option_table) / sizeof(option_table[0]);
