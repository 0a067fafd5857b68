/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What Docker, containerd and the CRI answer, behind HTTP and gRPC: the input chooses which question is answered next, with what,
 * and in between what is asked, and that the connection is lost. What is left is asked for the rest of the input.
 */
#include <errno.h>
#include <protobuf-c/protobuf-c.h>

#include "meta/runtime/grpc.h"
#include "runtime.h"

enum { QUESTIONS = 256, STEPS = 64 };

/* A question that is out, of either kind. */
struct http_request {
	bool out, cancelled, grpc, urgent;
	struct http_handler http;
	struct grpc_handler call;
};

struct grpc {
	struct grpc_config config;
};

static struct http_request questions[QUESTIONS];

static struct http_request *question_new(void)
{
	for (size_t i = 0; i < QUESTIONS; i++) {
		if (!questions[i].out) {
			questions[i] = (struct http_request){ .out = true };
			return &questions[i];
		}
	}
	return NULL;
}

FAKE(int, http_open, struct http *h)
{
	(void)h;
	return 0;
}

FAKE(struct http_request *, http_get, struct http *h, const char *address, const char *path,
     const struct http_handler *handler, bool urgent)
{
	struct http_request *q = strlen(address) + strlen(path) < 900 ? question_new() : NULL;

	(void)h;
	if (q)
		q->http = *handler;
	if (q)
		q->urgent = urgent;
	return q;
}

FAKE(void, http_cancel, struct http_request *q)
{
	if (q)
		q->out = false;
}

FAKE(int, grpc_open, struct grpc **ret, struct loop *loop, const struct grpc_config *config)
{
	(void)loop;
	*ret = calloc(1, sizeof(**ret));
	(*ret)->config = *config;
	return 0;
}

FAKE(int, grpc_call, struct grpc *g, const char *method, const char *ns, const ProtobufCMessage *body, bool stream,
     const struct grpc_handler *handler)
{
	struct http_request *q = question_new();
	uint8_t *packed;

	FUZZ_CHECK(g && strlen(method) < 96 && (!ns || strlen(ns) < 128));
	(void)stream;
	if (!q)
		return -EBUSY;
	if (body) {
		packed = malloc(protobuf_c_message_get_packed_size(body) + 1);
		protobuf_c_message_pack(body, packed);
		free(packed);
	}
	q->grpc = true;
	q->call = *handler;
	return 0;
}

FAKE(void, grpc_tick, struct grpc *g, uint64_t now)
{
	(void)now;
	FUZZ_CHECK(g);
}

FAKE(void, grpc_close, struct grpc *g)
{
	for (size_t i = 0; g && i < QUESTIONS; i++) {
		if (questions[i].out && questions[i].grpc) {
			questions[i].out = false;
			questions[i].call.end(questions[i].call.arg, GRPC_NO_ANSWER, "");
		}
	}
	free(g);
}

static void answer_call(struct http_request *q, struct fuzz *f, size_t n, uint8_t how)
{
	uint8_t *message = fuzz_bytes(f, &n);
	char *text;

	if (how & 1)
		q->call.message(q->call.arg, message, n);
	free(message);
	if (!(how & 2) || !q->out)
		return;
	text = fuzz_string(f, fuzz_u8(f) % 16);
	q->out = false;
	q->call.end(q->call.arg, how & 4 ? (int8_t)fuzz_u8(f) : GRPC_OK, text);
	free(text);
}

static void answer_get(struct http_request *q, struct fuzz *f, size_t n, uint8_t how)
{
	char *body, *line;
	const struct http_handler handler = q->http;

	if (n > f->n)
		n = f->n;
	body = fuzz_string(f, n);
	if (how & 1 && handler.line) {
		/* As it is cut into lines. */
		for (char *rest = body; q->out && (line = strsep(&rest, "\n"));)
			if (*line)
				handler.line(handler.arg, line, strlen(line));
	}
	if (q->out && (how & 2 || !handler.line)) {
		q->out = false;
		handler.done(handler.arg, how & 4 ? "an error" : NULL, how & 4 ? 404 : 200, body, n);
	}
	free(body);
}

/* The one that the input names, of those that are out. */
static struct http_request *choose(uint8_t which)
{
	size_t n = 0, chosen;

	for (size_t i = 0; i < QUESTIONS; i++)
		n += questions[i].out;
	if (!n)
		return NULL;
	chosen = which % n;
	for (size_t i = 0; i < QUESTIONS; i++) {
		if (questions[i].out && chosen-- == 0)
			return &questions[i];
	}
	return NULL;
}

static void step(struct rig *rig, struct fuzz *f)
{
	static const char *const ids[] = { "abc", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
					   "no id" };
	const uint8_t what = fuzz_u8(f);
	struct http_request *q;

	if (what < 224) {
		q = choose(what);
		if (q && q->grpc)
			answer_call(q, f, fuzz_u16(f), fuzz_u8(f));
		else if (q)
			answer_get(q, f, fuzz_u16(f), fuzz_u8(f));
	} else if (what < 232) {
		rig->r->ops->ask(rig->r, what & 1 ? "k8s.io" : NULL, ids[what % 3]);
	} else if (what < 240) {
		runtime_lost(rig->r, "lost");
		rig->r->ops->close(rig->r);
		rig->r->state = RUNTIME_OPENED;
		if (rig->r->ops->open(rig->r))
			abort();
	} else if (what < 248) {
		container_store_sweep(rig->store, clock_ns(CLOCK_MONOTONIC) + (uint64_t)(what & 7) * 60 * NSEC_PER_SEC);
	} else if (rig->r->ops->tick) {
		rig->r->ops->tick(rig->r, clock_ns(CLOCK_MONOTONIC));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct runtime_ops *const kinds[] = { &docker_ops, &containerd_ops, &cri_ops };
	struct fuzz f = { data, size };
	const uint8_t kind = fuzz_u8(&f);
	struct rig rig;

	memset(questions, 0, sizeof(questions));
	/* Of TCP, so that no socket is looked for. */
	rig_open(&rig, kinds[kind % 3], "tcp://x");
	rig.r->user = kind & 0x80 ? 1000 : 0;
	rig.r->state = RUNTIME_OPENED;
	if (rig.r->ops->open(rig.r))
		abort();
	for (int i = 0; f.n && i < STEPS; i++)
		step(&rig, &f);
	rig_close(&rig);
	rig_done(&rig);
	return 0;
}
