/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a capture file, told as JSON, packets or flows by its length: each line is an object that a strict parser takes, all of
 * it UTF-8 without controls, and of packets there are as many lines as packets.
 */
#include <cjson/cJSON.h>
#include <utf8proc.h>

#include "fuzz.h"
#include "output/json.h"
#include "reader/reader.h"

struct sink {
	struct output *o;
	size_t packets;
};

static int on_iface(void *arg, const struct iface *iface)
{
	struct sink *s = arg;

	return s->o->ops->iface(s->o, iface);
}

static int on_packet(void *arg, const struct packet *packet)
{
	struct sink *s = arg;

	FUZZ_CHECK(output_json_reach(packet) <= packet->caplen);
	s->packets++;
	return s->o->ops->packet(s->o, packet);
}

static void check_line(const char *line, size_t n)
{
	cJSON *object = cJSON_ParseWithLength(line, n);
	const cJSON *time = cJSON_GetObjectItemCaseSensitive(object, "@timestamp");
	utf8proc_int32_t c;

	FUZZ_CHECK(cJSON_IsObject(object) && cJSON_IsString(time));
	cJSON_Delete(object);
	for (size_t i = 0; i < n;) {
		const utf8proc_ssize_t len =
			utf8proc_iterate((const utf8proc_uint8_t *)line + i, (utf8proc_ssize_t)(n - i), &c);

		FUZZ_CHECK(len > 0 && c >= ' ' && !(c >= 0x7f && c < 0xa0));
		i += (size_t)len;
	}
}

static size_t check_lines(int fd)
{
	const off_t size = lseek(fd, 0, SEEK_END);
	char *text = malloc((size_t)size + 1), *p = text, *end = text + size, *next;
	size_t lines = 0;

	FUZZ_CHECK(pread(fd, text, (size_t)size, 0) == size);
	for (; p < end; p = next + 1) {
		next = memchr(p, '\n', (size_t)(end - p));
		FUZZ_CHECK(next);
		check_line(p, (size_t)(next - p));
		lines++;
	}
	free(text);
	return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int in = -1, out = -1;
	struct json_config config = { .args = true, .labels = true, .flow_interval = size % 3 * UINT64_C(1000000000) };
	struct sink s = { 0 };
	struct reader_handler handler = { .arg = &s, .iface = on_iface, .packet = on_packet };
	struct reader *r = NULL;
	char path[32];
	const bool flows = size & 1;
	size_t lines;

	config.fd = out = fuzz_file(out, "", 0, NULL);
	in = fuzz_file(in, data, size, path);
	if (reader_open(&r, path))
		return 0;
	FUZZ_CHECK((flows ? output_json_flow_new : output_json_new)(&s.o, &config) == 0);
	reader_run(r, &handler);
	FUZZ_CHECK(s.o->ops->finish(s.o) == 0);
	s.o->ops->free(s.o);
	reader_free(r);
	lines = check_lines(out);
	FUZZ_CHECK(flows || lines == s.packets);
	return 0;
}
