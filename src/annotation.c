/* SPDX-License-Identifier: BSD-3-Clause */
#include "annotation.h"

#include <ptcpdump/event.h>

/*
 * The groups, by the words of --context: FIRST and NEXT bring a word, ALSO goes with an earlier group's.
 * (bit, member that is its description, word, more of the row)
 */
#define GROUPS(FIRST, NEXT, ALSO)                                                                                      \
	FIRST(ANNOT_PROCESS, process, "process", .desc = DESC_PROCESS, .title = "Process")                             \
	NEXT(ANNOT_THREAD, thread, "thread", .title = "Thread", .brief = "Thread")                                     \
	NEXT(ANNOT_PARENT, parent, "parentproc", .role = ROLE_PARENT, .desc = DESC_PROCESS, .title = "ParentProc",     \
	     .brief = "ParentProc")                                                                                    \
	ALSO(ANNOT_ANCESTORS, ancestors, "parentproc", .role = ROLE_PARENT, .desc = DESC_ANCESTORS)                    \
	NEXT(ANNOT_USER, uid, "user", .desc = DESC_USER, .title = "User")                                              \
	NEXT(ANNOT_CONTAINER, container, "container", .desc = DESC_CONTAINER, .title = "Container",                    \
	     .brief = "Container")                                                                                     \
	NEXT(ANNOT_POD, pod, "pod", .desc = DESC_POD, .title = "Pod", .brief = "Pod")                                  \
	NEXT(ANNOT_PEER, peer, "peer", .role = ROLE_PEER, .desc = DESC_PROCESS, .title = "Peer", .brief = "Peer")      \
	ALSO(ANNOT_PEER_USER, peer_uid, "peer", .role = ROLE_PEER, .desc = DESC_USER, .title = "PeerUser")             \
	ALSO(ANNOT_PEER_CONTAINER, peer_container, "container", .role = ROLE_PEER, .desc = DESC_CONTAINER,             \
	     .title = "PeerContainer", .brief = "PeerContainer")                                                       \
	ALSO(ANNOT_PEER_POD, peer_pod, "pod", .role = ROLE_PEER, .desc = DESC_POD, .title = "PeerPod",                 \
	     .brief = "PeerPod")                                                                                       \
	ALSO(ANNOT_PEER_IMAGE, peer_container.image, "container", .role = ROLE_PEER)                                   \
	ALSO(ANNOT_PEER_POD_LABELS, peer_pod.labels, "pod", .role = ROLE_PEER)                                         \
	ALSO(ANNOT_PEER_ANCESTORS, peer_ancestors, "parentproc", .role = ROLE_PEER_PARENT, .desc = DESC_ANCESTORS)     \
	ALSO(ANNOT_EFFECTIVE, effective, "process", .desc = DESC_PROCESS, .title = "Effective")                        \
	ALSO(ANNOT_END, end, "process")

/*
 * The fields, in the order of files and of -v. The user's name is a comment of its own, so that readers that know the
 * user's as a single number find it so. Of a peer's container and pod only names and ids are shown.
 * MEMBER(member of struct annotation, kind, more of the row), OTHER(kind, row)
 */
#define FIELDS(MEMBER, OTHER)                                                                                          \
	MEMBER(process.pid, FIELD_PID, .bit = ANNOT_PROCESS, .key = "PID", .label = "pid", .brief = 2,                 \
	       .json = "process.pid")                                                                                  \
	MEMBER(process.cmd, FIELD_CMD, .bit = ANNOT_PROCESS, .key = "Cmd", .alias = "Command", .label = "cmd",         \
	       .brief = 1, .json = "process.executable")                                                               \
	MEMBER(process.args, FIELD_STR, .bit = ANNOT_PROCESS, .key = "Args", .label = "args",                          \
	       .json = "process.command_line")                                                                         \
	MEMBER(process.name, FIELD_STR, .bit = ANNOT_PROCESS, .key = "Name", .optional = true, .label = "name",        \
	       .json = "process.name")                                                                                 \
	MEMBER(process.comm, FIELD_STR, .bit = ANNOT_PROCESS, .key = "Comm", .optional = true, .label = "comm",        \
	       .json = "ptcpdump.process.comm")                                                                        \
	MEMBER(tid, FIELD_PID, .bit = ANNOT_THREAD, .key = "ThreadId", .alias = "TID", .label = "tid", .brief = 2,     \
	       .json = "process.thread.id")                                                                            \
	MEMBER(thread, FIELD_STR, .bit = ANNOT_THREAD, .key = "ThreadName", .label = "name", .brief = 1,               \
	       .json = "process.thread.name")                                                                          \
	MEMBER(uid, FIELD_U32, .bit = ANNOT_USER, .key = "UserId", .label = "uid", .json = "user.id")                  \
	OTHER(FIELD_IGNORED, .bit = ANNOT_USER, .key = "GroupId")                                                      \
	MEMBER(parent.pid, FIELD_PID, .bit = ANNOT_PARENT, .key = "ParentPID", .label = "pid", .brief = 2,             \
	       .json = "process.parent.pid")                                                                           \
	MEMBER(parent.cmd, FIELD_CMD, .bit = ANNOT_PARENT, .key = "ParentCmd", .alias = "ParentCommand",               \
	       .label = "cmd", .brief = 1, .json = "process.parent.executable")                                        \
	MEMBER(parent.args, FIELD_STR, .bit = ANNOT_PARENT, .key = "ParentArgs", .label = "args",                      \
	       .json = "process.parent.command_line")                                                                  \
	MEMBER(parent.name, FIELD_STR, .bit = ANNOT_PARENT, .key = "ParentName", .optional = true, .label = "name",    \
	       .json = "process.parent.name")                                                                          \
	MEMBER(parent.comm, FIELD_STR, .bit = ANNOT_PARENT, .key = "ParentComm", .optional = true, .label = "comm",    \
	       .json = "ptcpdump.process.parent.comm")                                                                 \
	MEMBER(container.name, FIELD_STR, .bit = ANNOT_CONTAINER, .key = "ContainerName", .label = "name", .brief = 1, \
	       .json = "container.name")                                                                               \
	MEMBER(container.id, FIELD_STR, .bit = ANNOT_CONTAINER, .key = "ContainerId", .label = "id",                   \
	       .json = "container.id")                                                                                 \
	MEMBER(container.image, FIELD_STR, .bit = ANNOT_CONTAINER, .key = "ContainerImage", .label = "image",          \
	       .json = "container.image.name")                                                                         \
	MEMBER(container.labels, FIELD_JSON, .bit = ANNOT_CONTAINER, .key = "ContainerLabels", .label = "labels",      \
	       .json = "container.labels")                                                                             \
	MEMBER(pod.name, FIELD_STR, .bit = ANNOT_POD, .key = "PodName", .label = "name", .brief = 1,                   \
	       .json = "orchestrator.resource.name")                                                                   \
	MEMBER(pod.namespace, FIELD_STR, .bit = ANNOT_POD, .key = "PodNamespace", .label = "namespace", .brief = 2,    \
	       .json = "orchestrator.namespace")                                                                       \
	MEMBER(pod.uid, FIELD_STR, .bit = ANNOT_POD, .key = "PodUID", .label = "UID",                                  \
	       .json = "orchestrator.resource.id")                                                                     \
	MEMBER(pod.labels, FIELD_JSON, .bit = ANNOT_POD, .key = "PodLabels", .label = "labels",                        \
	       .json = "kubernetes.labels")                                                                            \
	MEMBER(pod.annotations, FIELD_JSON, .bit = ANNOT_POD, .key = "PodAnnotations", .label = "annotations",         \
	       .json = "kubernetes.annotations")                                                                       \
	MEMBER(user, FIELD_STR, .bit = ANNOT_USER, .key = "UserName", .optional = true, .label = "name",               \
	       .json = "user.name")                                                                                    \
	MEMBER(ancestors, FIELD_STR, .bit = ANNOT_ANCESTORS, .key = "Ancestors", .json = "ptcpdump.process.ancestors") \
	MEMBER(peer.pid, FIELD_PID, .bit = ANNOT_PEER, .key = "PeerPID", .label = "pid", .brief = 2,                   \
	       .json = "ptcpdump.peer.process.pid")                                                                    \
	MEMBER(peer.cmd, FIELD_CMD, .bit = ANNOT_PEER, .key = "PeerCmd", .label = "cmd", .brief = 1,                   \
	       .json = "ptcpdump.peer.process.executable")                                                             \
	MEMBER(peer.args, FIELD_STR, .bit = ANNOT_PEER, .key = "PeerArgs", .label = "args",                            \
	       .json = "ptcpdump.peer.process.command_line")                                                           \
	MEMBER(peer.name, FIELD_STR, .bit = ANNOT_PEER, .key = "PeerName", .optional = true, .label = "name",          \
	       .json = "ptcpdump.peer.process.name")                                                                   \
	MEMBER(peer.comm, FIELD_STR, .bit = ANNOT_PEER, .key = "PeerComm", .optional = true, .label = "comm",          \
	       .json = "ptcpdump.peer.process.comm")                                                                   \
	MEMBER(peer_uid, FIELD_U32, .bit = ANNOT_PEER_USER, .key = "PeerUserId", .label = "uid",                       \
	       .json = "ptcpdump.peer.user.id")                                                                        \
	MEMBER(peer_user, FIELD_STR, .bit = ANNOT_PEER_USER, .key = "PeerUserName", .optional = true, .label = "name", \
	       .json = "ptcpdump.peer.user.name")                                                                      \
	MEMBER(peer_container.name, FIELD_STR, .bit = ANNOT_PEER_CONTAINER, .key = "PeerContainerName",                \
	       .label = "name", .brief = 1, .json = "ptcpdump.peer.container.name")                                    \
	MEMBER(peer_container.id, FIELD_STR, .bit = ANNOT_PEER_CONTAINER, .key = "PeerContainerId", .label = "id",     \
	       .json = "ptcpdump.peer.container.id")                                                                   \
	MEMBER(peer_container.image, FIELD_STR, .bit = ANNOT_PEER_IMAGE, .key = "PeerContainerImage",                  \
	       .json = "ptcpdump.peer.container.image.name")                                                           \
	MEMBER(peer_container.labels, FIELD_JSON, .bit = ANNOT_PEER_IMAGE, .key = "PeerContainerLabels",               \
	       .json = "ptcpdump.peer.container.labels")                                                               \
	MEMBER(peer_pod.name, FIELD_STR, .bit = ANNOT_PEER_POD, .key = "PeerPodName", .label = "name", .brief = 1,     \
	       .json = "ptcpdump.peer.orchestrator.resource.name")                                                     \
	MEMBER(peer_pod.namespace, FIELD_STR, .bit = ANNOT_PEER_POD, .key = "PeerPodNamespace", .label = "namespace",  \
	       .brief = 2, .json = "ptcpdump.peer.orchestrator.namespace")                                             \
	MEMBER(peer_pod.uid, FIELD_STR, .bit = ANNOT_PEER_POD, .json = "ptcpdump.peer.orchestrator.resource.id")       \
	MEMBER(peer_pod.annotations, FIELD_JSON, .bit = ANNOT_PEER_POD,                                                \
	       .json = "ptcpdump.peer.kubernetes.annotations")                                                         \
	MEMBER(peer_pod.labels, FIELD_JSON, .bit = ANNOT_PEER_POD_LABELS, .key = "PeerPodLabels",                      \
	       .json = "ptcpdump.peer.kubernetes.labels")                                                              \
	MEMBER(peer_ancestors, FIELD_STR, .bit = ANNOT_PEER_ANCESTORS, .key = "PeerAncestors",                         \
	       .json = "ptcpdump.peer.process.ancestors")                                                              \
	MEMBER(effective.pid, FIELD_PID, .bit = ANNOT_EFFECTIVE, .key = "EffectivePID", .label = "pid",                \
	       .json = "ptcpdump.effective.process.pid")                                                               \
	MEMBER(effective.cmd, FIELD_CMD, .bit = ANNOT_EFFECTIVE, .key = "EffectiveCmd", .label = "cmd",                \
	       .json = "ptcpdump.effective.process.executable")                                                        \
	MEMBER(effective.args, FIELD_STR, .bit = ANNOT_EFFECTIVE, .key = "EffectiveArgs", .label = "args",             \
	       .json = "ptcpdump.effective.process.command_line")                                                      \
	MEMBER(effective.name, FIELD_STR, .bit = ANNOT_EFFECTIVE, .key = "EffectiveName", .optional = true,            \
	       .label = "name", .json = "ptcpdump.effective.process.name")                                             \
	MEMBER(effective.comm, FIELD_STR, .bit = ANNOT_EFFECTIVE, .key = "EffectiveComm", .optional = true,            \
	       .label = "comm", .json = "ptcpdump.effective.process.comm")                                             \
	MEMBER(end, FIELD_STR, .bit = ANNOT_END, .key = "End")

#define GROUP(b, m, w, ...) { .bit = (b), .word = (w), .offset = offsetof(struct annotation, m), __VA_ARGS__ },
#define FIELD(m, k, ...) { .kind = (k), .offset = offsetof(struct annotation, m), __VA_ARGS__ },
#define FIELD_WITHOUT_MEMBER(k, ...) { .kind = (k), __VA_ARGS__ },

static const struct annot_group groups[] = { GROUPS(GROUP, GROUP, GROUP) };
static const struct annot_field fields[] = { FIELDS(FIELD, FIELD_WITHOUT_MEMBER) };

#define FIRST_WORD(bit, member, word, ...) word
#define NEXT_WORD(bit, member, word, ...) " " word
#define NOTHING(...)
const char annotation_words[] = GROUPS(FIRST_WORD, NEXT_WORD, NOTHING);

const struct annot_schema annotation_schema = {
	.groups = groups,
	.ngroups = sizeof(groups) / sizeof(groups[0]),
	.fields = fields,
	.nfields = sizeof(fields) / sizeof(fields[0]),
	.size = sizeof(struct annotation),
};

/* Nobody would keep a member without a row: a string would outlive what it points to. A number that takes the padding
 * behind another changes no size; the unit test sees it. */
#define SIZE(m) sizeof(((struct annotation *)NULL)->m)
#define ADD_BIT(bit, ...) | (bit)
#define ALIGNMENT _Alignof(struct annotation)
#define ADD_SIZE(m, ...) +(SIZE(m) + ALIGNMENT - 1) / ALIGNMENT *ALIGNMENT
#define AND_ALIGNED(m, ...) &&offsetof(struct annotation, m) % ALIGNMENT == 0
#define AND_OF_KIND(m, kind, ...) &&SIZE(m) == ((kind) <= FIELD_PID ? sizeof(uint32_t) : sizeof(struct str))
_Static_assert((0 GROUPS(ADD_BIT, ADD_BIT, ADD_BIT)) == ANNOT_ALL, "a group without a row");
_Static_assert(true FIELDS(AND_ALIGNED, NOTHING),
	       "sizes add up in steps of the alignment: a number behind a number needs _Alignas");
_Static_assert(offsetof(struct annotation, process) FIELDS(ADD_SIZE, NOTHING) == sizeof(struct annotation),
	       "a member without a row");
_Static_assert(true FIELDS(AND_OF_KIND, NOTHING), "a member of another type than its row's kind");
_Static_assert(sizeof(fields) / sizeof(fields[0]) <= ANNOT_FIELDS_MAX, "too many rows");

bool annot_owner_sends(const struct annotation *a, uint8_t dir)
{
	if (a->has & ANNOT_END)
		return str_eq(a->end, str_of(ANNOT_SOURCE));
	return dir != EVENT_DIR_IN;
}

/* Kernel threads have a name only, with slashes of its own ("kworker/0:1"), and no arguments. */
struct str process_desc_program(const struct process_desc *p)
{
	static const char deleted[] = " (deleted)"; /* d_path() adds it */
	const uint32_t mark = sizeof(deleted) - 1;
	struct str s = p->cmd;
	const char *slash;

	if (!s.p || s.n == 0 || (s.p[0] != '/' && s.p[0] != '.' && p->args.n == 0))
		return s;
	if (s.n > mark && memcmp(s.p + s.n - mark, deleted, mark) == 0)
		s.n -= mark;
	slash = memrchr(s.p, '/', s.n);
	if (!slash || slash + 1 == s.p + s.n)
		return s;
	return (struct str){ slash + 1, s.n - (uint32_t)(slash + 1 - s.p) };
}

struct str process_desc_name(const struct process_desc *p)
{
	return p->name.n ? p->name : process_desc_program(p);
}

struct str process_desc_comm(const struct process_desc *p)
{
	struct str comm = p->comm;

	if (comm.n)
		return comm;
	comm = process_desc_name(p);
	if (comm.n > COMM_MAX)
		comm.n = COMM_MAX;
	return comm;
}

void process_desc_set_names(struct process_desc *p, struct str name, struct str comm)
{
	p->name = p->comm = (struct str){ 0 };
	if (!str_eq(name, process_desc_name(p)))
		p->name = name;
	if (!str_eq(comm, process_desc_comm(p)))
		p->comm = comm;
}

bool annot_is_told(const struct annotation *a, const struct annot_field *f)
{
	return !f->optional || !annot_is_string(f) || annot_str(a, f).n;
}

struct annot_run annot_run_from(const struct annot_schema *s, const struct annot_field *f)
{
	struct annot_run run = { f, f };

	while (run.end < s->fields + s->nfields && run.end->bit == f->bit)
		run.end++;
	return run;
}

const struct annot_group *annot_group_of(const struct annot_schema *s, unsigned bit)
{
	for (size_t i = 0; i < s->ngroups; i++) {
		if (s->groups[i].bit == bit)
			return &s->groups[i];
	}
	return NULL;
}

unsigned annot_context(const struct annot_schema *s, const char *word)
{
	unsigned bits = 0;

	for (size_t i = 0; i < s->ngroups; i++) {
		if (strcmp(s->groups[i].word, word) == 0)
			bits |= s->groups[i].bit;
	}
	return bits;
}

bool annot_parse_u32(struct str s, uint32_t *ret)
{
	uint64_t v = 0;

	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\r'))
		s.n--;
	if (s.n == 0 || s.n > 10)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	if (v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

bool annot_parse_pid(struct str s, uint32_t *ret)
{
	static const char mark[] = PID_OUTSIDE_MARK;
	const uint32_t n = sizeof(mark) - 1;
	uint32_t outside = 0;

	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\r'))
		s.n--;
	if (s.n > n && memcmp(s.p + s.n - n, mark, n) == 0) {
		outside = PID_OUTSIDE;
		s.n -= n;
	}
	if (!annot_parse_u32(s, ret) || *ret & PID_OUTSIDE)
		return false;
	*ret |= outside;
	return true;
}

void annot_put_pid(struct buf *b, uint32_t pid)
{
	buf_printf(b, pid & PID_OUTSIDE ? "%u" PID_OUTSIDE_MARK : "%u", pid & ~PID_OUTSIDE);
}

void annot_put_number(struct buf *b, const struct annotation *a, const struct annot_field *f)
{
	const uint32_t v = annot_u32(a, f);

	if (f->kind == FIELD_PID)
		annot_put_pid(b, v);
	else
		buf_printf(b, "%u", v);
}

size_t annot_strings_size(const struct annot_schema *s, const struct annotation *a)
{
	size_t size = 1;

	for (size_t i = 0; i < s->nfields; i++) {
		if (annot_is_string(&s->fields[i]))
			size += annot_str(a, &s->fields[i]).n;
	}
	return size;
}

void annot_strings_place(const struct annot_schema *s, struct annotation *a, const char *at)
{
	for (size_t i = 0; i < s->nfields; i++) {
		const struct annot_field *f = &s->fields[i];
		const struct str from = annot_is_string(f) ? annot_str(a, f) : (struct str){ 0 };
		const struct str placed = { at, from.n };

		if (!from.p)
			continue;
		memcpy((char *)a + f->offset, &placed, sizeof(placed));
		at += from.n;
	}
}

void annot_strings_move(const struct annot_schema *s, struct annotation *a, char *to)
{
	char *end = to;

	for (size_t i = 0; i < s->nfields; i++) {
		const struct annot_field *f = &s->fields[i];
		const struct str from = annot_is_string(f) ? annot_str(a, f) : (struct str){ 0 };

		if (from.p)
			end = mempcpy(end, from.p, from.n);
	}
	annot_strings_place(s, a, to);
}

static bool field_same(const struct annotation *a, const struct annotation *b, const struct annot_field *f)
{
	if (f->kind == FIELD_IGNORED)
		return true;
	if (!annot_is_string(f))
		return annot_u32(a, f) == annot_u32(b, f);
	return !annot_str(a, f).p == !annot_str(b, f).p && str_eq(annot_str(a, f), annot_str(b, f));
}

bool annot_same(const struct annot_schema *s, const struct annotation *a, const struct annotation *b)
{
	for (size_t i = 0; i < s->nfields; i++) {
		if (!field_same(a, b, &s->fields[i]))
			return false;
	}
	return true;
}
