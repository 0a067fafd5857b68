/* SPDX-License-Identifier: BSD-3-Clause */
#include "options_table.h"

#include <ctype.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <pwd.h>
#include <stdlib.h>
#include <strings.h>

#include "capture/capture.h"
#include "options_containers.h"
#include "options_parse.h"
#include "options_users.h"
#include "options_value.h"
#include "util/clock.h"
#include "util/glob.h"

enum { MAX_SNAPLEN = 262144, MAX_SETTLE_MS = 10000 };

/* A process may have commas in its name. */
static int parse_name(struct options *o, const struct option_desc *d, const char *arg)
{
	const char *flaw = glob_flaw(arg);

	if (*arg == '\0') {
		log_error("--%s needs a value that is not empty", d->name);
		return -EINVAL;
	}
	/* Of the kernel's threads only have some a slash in their name, and none begins with it. */
	if (*arg == '/' || strncmp(arg, "./", 2) == 0) {
		log_error("--%s '%s': give the name of a program, not its path: '%s'", d->name, arg,
			  strrchr(arg, '/') + 1);
		return -EINVAL;
	}
	if (flaw) {
		log_error("--%s '%s': %s", d->name, arg, flaw);
		return -EINVAL;
	}
	str_list_add(option_field(o, d), arg, strlen(arg));
	return 0;
}

static int parse_file_size(struct options *o, const struct option_desc *d, const char *arg)
{
	static const struct {
		char letter;
		int64_t unit;
	} units[] = { { 'k', INT64_C(1) << 10 }, { 'm', INT64_C(1) << 20 }, { 'g', INT64_C(1) << 30 } };
	uint64_t *size = option_field(o, d);
	int64_t unit = 1000000, n;
	char *end;

	errno = 0;
	n = strtoll(arg, &end, 10);
	if (end == arg || errno || n <= 0)
		goto invalid;
	if (*end != '\0') {
		unit = 0;
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
			if (tolower((unsigned char)*end) == units[i].letter &&
			    (end[1] == '\0' || strcasecmp(end + 1, "b") == 0))
				unit = units[i].unit;
		}
		if (unit == 0)
			goto invalid;
	}
	if (n > INT64_MAX / unit) {
		log_error("file size %s is too large", arg);
		return -EINVAL;
	}
	*size = (uint64_t)(n * unit);
	return 0;
invalid:
	log_error("invalid file size %s (a number >= 1 of millions of bytes, or with k, m, g or kb, mb, gb)", arg);
	return -EINVAL;
}

static int parse_direction(struct options *o, const struct option_desc *d, const char *arg)
{
	enum direction *dir = option_field(o, d);

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
	uint32_t *snaplen = option_field(o, d);
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
	bool *nano = option_field(o, d);

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
	o->capture.dlt = pcap_datalink_name_to_val(arg);
	if (o->capture.dlt < 0) {
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
		option_set_action(o, ACTION_LIST_BACKENDS);
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
	enum log_level *level = option_field(o, d);

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
	unsigned *context = option_field(o, d);
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

static int parse_color(struct options *o, const struct option_desc *d, const char *arg)
{
	static const char *const words[] = {
		[COLOR_NEVER] = "never",
		[COLOR_AUTO] = "auto",
		[COLOR_ALWAYS] = "always",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(arg, words[i]) == 0) {
			o->color = (enum color_when)i;
			return 0;
		}
	}
	log_error("--color '%s' is none of %s", arg, d->choices);
	return -EINVAL;
}

static int parse_completion(struct options *o, const struct option_desc *d, const char *arg)
{
	if (!word_in(d->choices, arg)) {
		log_error("--completion '%s': the shells are %s", arg, d->choices);
		return -EINVAL;
	}
	return option_set_action(o, ACTION_COMPLETION) ? parse_string(o, d, arg) : 0;
}

static int parse_unserved(struct options *o, const struct option_desc *d, const char *arg)
{
	(void)o;
	(void)d;
	(void)arg;
	log_error("-Y needs a libpcap that was built to debug its parser");
	return -EINVAL;
}

#define AT(member) .offset = offsetof(struct options, member)
#define NUMBER(member, lowest, highest)                                                                                \
	.parse = parse_number, AT(member), .size = sizeof(((struct options *)NULL)->member), .min = (lowest),          \
	.max = (highest)

enum {
	OPT_NETNS = OPTION_LONG,
	OPT_BACKEND,
	OPT_KERNEL_BTF,
	OPT_NO_BTF_DOWNLOAD,
	OPT_IMMEDIATE,
	OPT_PID,
	OPT_PNAME,
	OPT_UID,
	OPT_CONTAINER_ID,
	OPT_CONTAINER_NAME,
	OPT_POD_NAME,
	OPT_NAMESPACE,
	OPT_IMAGE,
	OPT_LABEL,
	OPT_COMPOSE,
	OPT_CONTEXT,
	OPT_NO_REVERSE,
	OPT_DOCKER,
	OPT_CONTAINERD,
	OPT_CRI,
	OPT_KEYLOG,
	OPT_EMBED,
	OPT_ONELINE,
	OPT_ADD_ETHERNET,
	OPT_COMPACT,
	OPT_PROCESS_BLOCKS,
	OPT_NO_SANDBOX,
	OPT_BRIEF,
	OPT_CONTEXT_PREFIX,
	OPT_COLOR,
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
	OPT_CLEAN,
	OPT_INSTALL_EXTCAP,
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

/* One option, its field and its text together. */
/* clang-format off */
const struct option_desc option_table[] = {
	{ .key = 'i', .name = "interface", .arg = "INTERFACE", .group = GROUP_CAPTURE, .parse = parse_list, AT(ifaces),
	  .hint = HINT_IFACE,
	  .help = "listen on this interface, by name, alternative name or the number that -D shows; repeat it or separate with "
		  "commas; any: all of them. Default: any when a process, user, container or command is asked for, "
		  "and with --netns, else the first usable one" },
	{ .key = OPT_NETNS, .name = "netns", .arg = "NAME|PATH|container:NAME|pod:NAME.NAMESPACE|any|newly", .group = GROUP_CAPTURE, .parse = parse_list,
	  AT(netns), .hint = HINT_NETNS, .live = true,
	  .help = "listen in this network namespace, by name, path, container (its name, a pattern or its id) or pod; repeatable; "
		  "any: all of them, later ones too; newly: only later ones. Default: our own; with -i any also those of the containers and "
		  "pods that are asked for" },
	{ .key = 'c', .name = "receive-count", .arg = "N", .group = GROUP_CAPTURE, NUMBER(count, 1, INT64_MAX),
	  .refusal = "invalid packet count %s (must be a number >= 1)", .help = "stop after N packets" },
	{ .key = 'Q', .name = "direction", .arg = "DIRECTION", .group = GROUP_CAPTURE, .parse = parse_direction,
	  AT(capture.direction), .choices = "in out inout",
	  .help = "only packets that come in, go out, or both (inout, the default)" },
	{ .key = 's', .name = "snapshot-length", .arg = "BYTES", .group = GROUP_CAPTURE, .parse = parse_snaplen,
	  AT(capture.snaplen), .help = "keep at most this much of each packet (0: the default, 262144)" },
	{ .key = 'p', .name = "no-promiscuous-mode", .group = GROUP_CAPTURE, .parse = parse_count, AT(no_promiscuous),
	  .help = "don't put the interface into promiscuous mode" },
	{ .key = OPT_BACKEND, .name = "backend", .arg = "BACKEND", .group = GROUP_CAPTURE, .parse = parse_backend,
	  AT(backend), .choices = capture_backend_words, .live = true,
	  .help = "how packets are seen (default: tc, or pcap where only that can serve); help: what this kernel "
		  "offers" },
	{ .key = OPT_KERNEL_BTF, .name = "kernel-btf", .arg = "FILE", .group = GROUP_CAPTURE, .parse = parse_string,
	  AT(capture.kernel_btf), .hint = HINT_FILE, .live = true,
	  .help = "BTF of this kernel (default /sys/kernel/btf/vmlinux, then /var/lib/ptcpdump/btf, else it is "
		  "fetched)" },
	{ .key = OPT_NO_BTF_DOWNLOAD, .name = "no-btf-download", .group = GROUP_CAPTURE, .parse = parse_true,
	  AT(capture.no_btf_download), .live = true,
	  .help = "don't fetch the BTF of a kernel that has none" },
	{ .key = OPT_IMMEDIATE, .name = "immediate-mode", .group = GROUP_CAPTURE, .parse = parse_true, AT(capture.immediate),
	  .help = "show and save packets as soon as they arrive" },
	{ .key = 'I', .name = "monitor-mode", .group = GROUP_CAPTURE, .parse = parse_true, AT(capture.monitor),
	  .help = "put the interface into 802.11 monitor mode (by the backend pcap)" },
	{ .key = 'j', .name = "time-stamp-type", .arg = "TYPE", .group = GROUP_CAPTURE, .parse = parse_tstamp_type,
	  AT(capture.tstamp_type), .help = "where time stamps come from, see -J (others than host: by the backend pcap)" },
	{ .key = 'y', .name = "linktype", .arg = "TYPE", .group = GROUP_CAPTURE, .parse = parse_link_type, AT(capture.dlt_name),
	  .help = "link type of the capture, see -L (another than the first: by the backend pcap), or of the filter "
		  "that -d prints" },
	{ .key = 'D', .name = "list-interfaces", .group = GROUP_CAPTURE, .parse = parse_action,
	  .action = ACTION_LIST_IFACES, .help = "list the interfaces and exit (with --netns: those of that namespace)" },
	{ .key = 'L', .name = "list-data-link-types", .group = GROUP_CAPTURE, .parse = parse_action,
	  .action = ACTION_LIST_LINK_TYPES, .help = "list the link types of the interface and exit" },
	{ .key = 'J', .name = "list-time-stamp-types", .group = GROUP_CAPTURE, .parse = parse_action,
	  .action = ACTION_LIST_TSTAMP_TYPES, .help = "list the time stamp types of the interface and exit" },
	{ .key = OPT_PROBE, .name = "probe", .group = GROUP_CAPTURE, .parse = parse_action, .action = ACTION_PROBE,
	  .help = "tell what this kernel offers, what is lost without it, and exit" },
	{ .key = OPT_CLEAN, .name = "clean", .group = GROUP_CAPTURE, .parse = parse_action, .action = ACTION_CLEAN,
	  .help = "remove what runs that were killed have left in the kernel and on the disk, tell what, and exit" },

	{ .key = 'F', .name = "expression-file", .arg = "FILE", .group = GROUP_FILTER, .parse = parse_string,
	  AT(expr_file), .hint = HINT_FILE,
	  .help = "read the filter expression from FILE; one on the command line is ignored" },
	{ .key = 'O', .name = "no-optimize", .group = GROUP_FILTER, .parse = parse_true, AT(capture.no_optimize),
	  .help = "don't optimize the filter program" },
	{ .key = 'd', .group = GROUP_FILTER, .parse = parse_repeat, AT(dump),
	  .help = "print the compiled filter and exit; -dd: as C, -ddd: as numbers" },

	{ .key = OPT_PID, .name = "pid", .arg = "PID", .group = GROUP_PROCESS, .parse = parse_pid_list, AT(pids),
	  .max = PID_LIMIT, .hint = HINT_PID,
	  .refusal = "--pid '%s' is not a process number: give 1 to %lld, or --pname for a name",
	  .help = "only traffic of this process; repeatable; also with -r" },
	{ .key = OPT_PNAME, .name = "pname", .arg = "NAME", .group = GROUP_PROCESS, .parse = parse_name, AT(pnames),
	  .help = "only traffic of processes of this name, or of those that a pattern (php*) fits; repeatable; also with "
		  "-r" },
	{ .key = OPT_UID, .name = "uid", .arg = "USER", .group = GROUP_PROCESS, .parse = parse_users, AT(uids),
	  .min = 0, .max = UINT32_MAX - 1, .hint = HINT_USER,
	  .refusal = "--uid '%s' is not a user: give a name or a number from 0 to %lld; commas separate several",
	  .help = "only traffic of this user's processes, by number or name; repeatable; also with -r" },
	{ .key = 'f', .name = "follow-forks", .group = GROUP_PROCESS, .parse = parse_count, AT(follow_forks),
	  .help = "children of what --pid and --pname (without them: --uid) ask for count as asked for, too (not tcpdump's "
		  "-f)" },
	{ .key = OPT_CONTAINER_ID, .name = "container-id", .arg = "ID", .group = GROUP_PROCESS,
	  .parse = parse_container_id, AT(container_ids),
	  .help = "only traffic of this container, at least 12 characters of its id; repeatable; also with -r" },
	{ .key = OPT_CONTAINER_NAME, .name = "container-name", .arg = "NAME", .group = GROUP_PROCESS,
	  .parse = parse_patterns, AT(container_names),
	  .help = "only traffic of the containers of this name, or of those that a pattern (web-*) takes; repeatable; also "
		  "with -r" },
	{ .key = OPT_POD_NAME, .name = "pod-name", .arg = "NAME.NAMESPACE", .group = GROUP_PROCESS,
	  .parse = parse_patterns, AT(pod_names),
	  .help = "only traffic of this pod (without a namespace: of --namespace, else default), or of those that a pattern "
		  "takes; repeatable; also with -r" },
	{ .key = OPT_NAMESPACE, .name = "namespace", .arg = "NAMESPACE", .group = GROUP_PROCESS,
	  .parse = parse_namespace, AT(namespaces),
	  .help = "only traffic of pods in this namespace of Kubernetes, or pattern; repeatable; also with -r" },
	{ .key = OPT_IMAGE, .name = "image", .arg = "IMAGE", .group = GROUP_PROCESS, .parse = parse_patterns, AT(images),
	  .help = "only traffic of containers of this image, or pattern, with or without registry and tag (nginx, "
		  "nginx:1.*); repeatable; also with -r" },
	{ .key = OPT_LABEL, .name = "label", .arg = "KEY[=VALUE],...", .group = GROUP_PROCESS, .parse = parse_label,
	  AT(labels),
	  .help = "only traffic of containers that have, or whose pod has, all these labels (VALUE may be a pattern); "
		  "repeatable; also with -r" },
	{ .key = OPT_COMPOSE, .name = "compose", .arg = "PROJECT[/SERVICE]", .group = GROUP_PROCESS,
	  .parse = parse_compose, AT(compose),
	  .help = "only traffic of this project of docker or podman compose, or this service of it; repeatable; also with "
		  "-r" },
	{ .key = OPT_CONTEXT, .name = "context", .arg = "LIST", .group = GROUP_PROCESS, .parse = parse_context,
	  AT(context), .choices = annotation_words, .hint = HINT_LIST,
	  .help = "which annotations to show and save (default: all)" },
	{ .key = OPT_NO_REVERSE, .name = "disable-reverse-match", .group = GROUP_PROCESS, .parse = parse_count,
	  AT(no_reverse_match), .live = true,
	  .help = "never show the process of the other end when that of the right end is unknown" },
	{ .key = OPT_DOCKER, .name = "docker-address", .arg = "ADDRESS", .group = GROUP_PROCESS, .parse = parse_docker,
	  AT(runtime_addresses[RUNTIME_DOCKER]), .hint = HINT_FILE, .live = true,
	  .help = "socket of the Docker Engine (default /var/run/docker.sock), or tcp://HOST:PORT" },
	{ .key = OPT_CONTAINERD, .name = "containerd-address", .arg = "SOCKET", .group = GROUP_PROCESS,
	  .parse = parse_socket, AT(runtime_addresses[RUNTIME_CONTAINERD]), .hint = HINT_FILE, .live = true,
	  .help = "socket of containerd (default /run/containerd/containerd.sock)" },
	{ .key = OPT_CRI, .name = "cri-runtime-address", .arg = "SOCKET", .group = GROUP_PROCESS, .parse = parse_socket,
	  AT(runtime_addresses[RUNTIME_CRI]), .hint = HINT_FILE, .live = true,
	  .help = "socket of the CRI runtime (default: the first usual one that answers)" },
	{ .key = OPT_KEYLOG, .name = "write-keylog-file", .arg = "FILE", .group = GROUP_PROCESS, .parse = parse_string,
	  AT(keylog_file), .hint = HINT_FILE, .help = "write the TLS secrets of the command to FILE" },
	{ .key = OPT_EMBED, .name = "embed-keylog-to-pcapng", .group = GROUP_PROCESS, .parse = parse_count,
	  AT(embed_keylog), .help = "save the TLS secrets of the command in the file of -w" },

	{ .key = 'A', .name = "print-data-in-ascii", .group = GROUP_OUTPUT, .parse = parse_count, AT(text.A),
	  .help = "print each packet without its link header in ASCII" },
	{ .key = 'b', .group = GROUP_OUTPUT, .parse = parse_count, AT(text.b),
	  .help = "print AS numbers of BGP in ASDOT notation" },
	{ .key = 'e', .group = GROUP_OUTPUT, .parse = parse_count, AT(text.e), .help = "print the link header" },
	{ .key = 'E', .arg = "SPI@IP ALGO:SECRET,...", .group = GROUP_OUTPUT, .parse = parse_string,
	  AT(text.esp_secret), .help = "decrypt IPsec ESP packets" },
	{ .key = 'g', .name = "ip-oneline", .group = GROUP_OUTPUT, .parse = parse_count, AT(text.g),
	  .help = "no line break after the IP header with -v" },
	{ .key = 'H', .group = GROUP_OUTPUT, .parse = parse_count, AT(text.H),
	  .help = "try to detect 802.11s draft mesh headers" },
	{ .key = 'K', .name = "dont-verify-checksums", .group = GROUP_OUTPUT, .parse = parse_count, AT(text.K),
	  .help = "don't verify IP, TCP and UDP checksums" },
	{ .key = 'l', .group = GROUP_OUTPUT, .parse = parse_true, AT(text.line_buffered),
	  .help = "write every line at once" },
	{ .key = 'm', .arg = "MODULE", .group = GROUP_OUTPUT, .parse = parse_string, AT(text.mib), .hint = HINT_FILE,
	  .help = "accepted, no effect: definitions of SMI MIBs are not supported" },
	{ .key = 'M', .arg = "SECRET", .group = GROUP_OUTPUT, .parse = parse_string, AT(text.md5_secret),
	  .help = "validate TCP-MD5 digests with SECRET" },
	{ .key = 'n', .name = "no-convert-addr", .group = GROUP_OUTPUT, .parse = parse_repeat, AT(text.n),
	  .help = "don't convert addresses and ports to names" },
	{ .key = 'N', .group = GROUP_OUTPUT, .parse = parse_count, AT(text.N),
	  .help = "print host names without their domain" },
	{ .key = '#', .name = "number", .group = GROUP_OUTPUT, .parse = parse_count, AT(text.number),
	  .help = "print a number in front of each packet" },
	{ .key = OPT_ONELINE, .name = "oneline", .group = GROUP_OUTPUT, .parse = parse_true, AT(text.oneline),
	  .help = "print the verbose output of a packet on one line" },
	{ .key = OPT_BRIEF, .name = "brief", .group = GROUP_OUTPUT, .parse = parse_true, AT(text.brief),
	  .help = "print each packet on one short line: both ends where they are known, and what -q tells" },
	{ .key = OPT_CONTEXT_PREFIX, .name = "context-prefix", .group = GROUP_OUTPUT, .parse = parse_true,
	  AT(text.context_prefix),
	  .help = "print the container or pod in front of the interface: [web], [pod.namespace/container], else -" },
	{ .key = OPT_COLOR, .name = "color", .arg = "WHEN", .group = GROUP_OUTPUT, .parse = parse_color,
	  .choices = "auto always never",
	  .help = "colour processes, containers, directions, resets and the number of lost packets (auto: on a terminal, "
		  "unless NO_COLOR is set; default never)" },
	{ .key = 'q', .name = "quiet", .group = GROUP_OUTPUT, .parse = parse_count, AT(text.q),
	  .help = "print less protocol information" },
	{ .key = 'S', .name = "absolute-tcp-sequence-numbers", .group = GROUP_OUTPUT, .parse = parse_count, AT(text.S),
	  .help = "print absolute TCP sequence numbers" },
	{ .key = 't', .name = "print-timestamp", .group = GROUP_OUTPUT, .parse = parse_repeat, AT(text.t),
	  .help = "-t: no time; -tt: seconds since 1970; -ttt: since the previous line; -tttt: with the date; "
		  "-ttttt: since the first line" },
	{ .key = OPT_UTC, .name = "utc-time", .group = GROUP_OUTPUT, .parse = parse_true, AT(text.utc),
	  .help = "print times in UTC" },
	{ .key = OPT_PRECISION, .name = "time-stamp-precision", .arg = "PRECISION", .group = GROUP_OUTPUT,
	  .parse = parse_precision, AT(text.nano), .choices = "micro nano",
	  .help = "print and save times in micro- or nanoseconds" },
	{ .key = OPT_MICRO, .name = "micro", .group = GROUP_OUTPUT, .parse = parse_precision, AT(text.nano),
	  .help = "short for --time-stamp-precision=micro (the default)" },
	{ .key = OPT_NANO, .name = "nano", .group = GROUP_OUTPUT, .parse = parse_precision, AT(text.nano),
	  .help = "short for --time-stamp-precision=nano" },
	{ .key = 'T', .arg = "TYPE", .group = GROUP_OUTPUT, .parse = parse_string, AT(text.type),
	  .choices = "aodv carp cnfp domain lmp pgm pgm_zmtp1 ptp radius resp rpc rtcp rtp snmp someip tftp vat vxlan "
		     "wb zmtp1",
	  .help = "interpret the packets as this type" },
	{ .key = 'u', .group = GROUP_OUTPUT, .parse = parse_count, AT(text.u), .help = "print undecoded NFS handles" },
	{ .key = 'v', .name = "verbose", .group = GROUP_OUTPUT, .parse = parse_repeat, AT(text.v),
	  .help = "print more; -vv and -vvv: more still; with -w: tell every second how many packets were captured" },
	{ .key = 'x', .name = "print-data-in-hex", .group = GROUP_OUTPUT, .parse = parse_repeat, AT(text.x),
	  .help = "print each packet in hex; -xx: with its link header" },
	{ .key = 'X', .name = "print-data-in-hex-ascii", .group = GROUP_OUTPUT, .parse = parse_repeat, AT(text.X),
	  .help = "print each packet in hex and ASCII; -XX: with its link header" },
	{ .key = OPT_PRINT, .name = "print", .group = GROUP_OUTPUT, .parse = parse_count, AT(print),
	  .help = "print packets although -w saves them" },
	{ .key = OPT_COUNT, .name = "count", .group = GROUP_OUTPUT, .parse = parse_count, AT(count_only),
	  .help = "with -r: print only the number of packets" },

	{ .key = 'r', .name = "read-file", .arg = "FILE", .group = GROUP_FILES, .parse = parse_read_file, AT(read_file),
	  .hint = HINT_FILE, .help = "read packets from FILE (pcap or pcapng, compressed too; -: standard input)" },
	{ .key = 'V', .arg = "FILE", .group = GROUP_FILES, .parse = parse_string, AT(list_file), .hint = HINT_FILE,
	  .help = "read packets from the files whose names are the lines of FILE (-: standard input)" },
	{ .key = 'w', .name = "write-file", .arg = "FILE", .group = GROUP_FILES, .parse = parse_string, AT(write_file),
	  .hint = HINT_FILE,
	  .help = "save packets to FILE as pcapng, or as pcap when its name ends in .pcap (-: pcapng on standard "
		  "output)" },
	{ .key = 'C', .name = "file-size", .arg = "SIZE", .group = GROUP_FILES, .parse = parse_file_size,
	  AT(file.rotate_bytes), .help = "with -w: begin a new file after SIZE millions of bytes (k, m, g: KiB, MiB, GiB)" },
	{ .key = 'G', .arg = "SECONDS", .group = GROUP_FILES, NUMBER(file.rotate_seconds, 0, INT32_MAX),
	  .refusal = "invalid number of seconds %s (must be a number >= 0; 0: no new files)",
	  .help = "with -w: begin a new file every so many seconds; its name may hold conversions of strftime(3)" },
	{ .key = 'W', .name = "file-count", .arg = "N", .group = GROUP_FILES, NUMBER(file.rotate_files, 1, INT32_MAX),
	  .refusal = "invalid number of output files %s (must be a number >= 1)",
	  .help = "with -C: overwrite the oldest of N files; with -G: stop after N files" },
	{ .key = 'z', .arg = "COMMAND", .group = GROUP_FILES, .parse = parse_string, AT(file.command),
	  .hint = HINT_COMMAND, .help = "with -C or -G: run COMMAND with the name of each finished file" },
	{ .key = 'U', .name = "packet-buffered", .group = GROUP_FILES, .parse = parse_true, AT(file.packet_buffered),
	  .help = "write every packet at once, to the file of -w, else to standard output" },
	{ .key = 'Z', .name = "relinquish-privileges", .arg = "USER", .group = GROUP_FILES, .parse = parse_user,
	  AT(user), .hint = HINT_USER,
	  .help = "as root: become USER once all is open (default: sudo's user, else tcpdump or nobody; root: stay)" },
	{ .key = OPT_NO_SANDBOX, .name = "no-sandbox", .group = GROUP_FILES, .parse = parse_true, AT(no_sandbox),
	  .help = "go on where the kernel cannot take files, sockets and system calls from what reads packets" },
	{ .key = OPT_ADD_ETHERNET, .name = "add-ethernet-header", .group = GROUP_FILES, .parse = parse_true,
	  AT(file.add_ethernet),
	  .help = "with -w: put an Ethernet header before packets that have no link header (tun, WireGuard), so that "
		  "files hold one link type" },
	{ .key = OPT_COMPACT, .name = "compact-comments", .group = GROUP_FILES, .parse = parse_true,
	  AT(file.compact_comments),
	  .help = "with -w to pcapng: full comments once for many packets of a process, which else have its pid and command" },
	{ .key = OPT_PROCESS_BLOCKS, .name = "process-blocks", .arg = "FORM", .group = GROUP_FILES, .parse = parse_process_blocks,
	  AT(file.process_blocks), .choices = "apple pcapng both none",
	  .help = "with -w to pcapng: blocks of processes for Wireshark's columns: apple, for 4.6 and newer (default), "
		  "pcapng, as proposed for the standard, both, none; with -r default: those of the file" },

	{ .key = 'B', .name = "buffer-size", .arg = "KIB", .group = GROUP_TUNING,
	  NUMBER(capture.ring_bytes, 1, INT32_MAX / 1024), .unit = 1024,
	  .refusal = "invalid packet buffer size %s (KiB, 1 to %lld)",
	  .help = "size of the kernel's packet buffers in KiB (default 16384; with more than 4 CPUs 4096 "
		  "for each)" },
	{ .key = OPT_SETTLE, .name = "settle", .arg = "MS", .group = GROUP_TUNING, NUMBER(meta.settle_ns, 0, MAX_SETTLE_MS), .unit = NSEC_PER_MSEC,
	  .refusal = "--settle '%s' is not a time: give 0 to %lld milliseconds", .live = true,
	  .help = "how long a packet waits for the process that will accept its connection (default 150; 0: not at "
		  "all)" },
	{ .key = OPT_EVENT_CHAN, .name = "event-chan-size", .arg = "N", .group = GROUP_TUNING, .parse = parse_ignored,
	  .help = "accepted for compatibility, no effect" },
	{ .key = OPT_EXEC_WORKERS, .name = "exec-events-worker-number", .arg = "N", .group = GROUP_TUNING,
	  .parse = parse_ignored, .help = "accepted for compatibility, no effect" },
	{ .key = OPT_DELAY, .name = "delay-before-handle-packet-events", .arg = "TIME", .group = GROUP_TUNING,
	  .parse = parse_ignored, .help = "accepted for compatibility, no effect (see --settle)" },
	{ .key = OPT_LOG_LEVEL, .name = "log-level", .arg = "LEVEL", .group = GROUP_TUNING, .parse = parse_log_level,
	  AT(log_level), .choices = "debug info warn error fatal", .help = "which messages to show (default warn)" },

	{ .key = OPT_INSTALL_EXTCAP, .name = "install-extcap", .group = GROUP_OTHER, .parse = parse_action,
	  .action = ACTION_INSTALL_EXTCAP,
	  .help = "make this program an interface of your Wireshark, by links in your folders, and exit" },
	{ .key = OPT_VERSION, .name = "version", .group = GROUP_OTHER, .parse = parse_action, .action = ACTION_VERSION,
	  .help = "print the version and exit" },
	{ .key = 'h', .name = "help", .group = GROUP_OTHER, .parse = parse_action, .action = ACTION_HELP,
	  .help = "print this and exit" },
	{ .key = OPT_COMPLETION, .name = "completion", .arg = "SHELL", .group = GROUP_OTHER, .parse = parse_completion,
	  AT(shell), .choices = "bash zsh fish", .help = "print the completion script for a shell and exit" },

	{ .key = OPT_FP_TYPE, .name = "fp-type", .group = GROUP_HIDDEN, .parse = parse_action, .action = ACTION_FP_TYPE,
	  .help = "" },
	{ .key = OPT_TIME_T_SIZE, .name = "time-t-size", .group = GROUP_HIDDEN, .parse = parse_action,
	  .action = ACTION_TIME_T_SIZE, .help = "" },
	{ .key = 'a', .group = GROUP_HIDDEN, .parse = parse_ignored, .help = "" },
	{ .key = 'Y', .name = "debug-filter-parser", .group = GROUP_HIDDEN, .parse = parse_unserved, .help = "" },
};
/* clang-format on */
const size_t option_count = sizeof(option_table) / sizeof(option_table[0]);
