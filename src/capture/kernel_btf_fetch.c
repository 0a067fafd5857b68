/* SPDX-License-Identifier: BSD-3-Clause */
/* Fetching over HTTP, and what is packed as .tar.xz. */
#include <errno.h>
#include <lzma.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture/kernel_btf.h"
#include "util/libcurl.h"
#include "util/log.h"

enum {
	WHY = LIBCURL_WHY,
	UNPACKED_MAX = 128 << 20,
	CHUNK = 1 << 20,
	/* POSIX.1-1988 ustar: offsets in the header of a member. */
	TAR_BLOCK = 512,
	TAR_SIZE = 124,
	TAR_SIZE_DIGITS = 12,
	TAR_TYPE = 156,
	TAR_NAME = 100, /* bytes, at offset 0 */
};

struct download {
	struct buf *b;
	size_t max;
};

static size_t on_data(char *p, size_t size, size_t n, void *arg)
{
	struct download *d = arg;

	n *= size;
	if (n > d->max - d->b->len)
		return 0; /* curl gives up */
	buf_put(d->b, p, n);
	return n;
}

/* A curl that was built without a default needs to be told whom to trust. */
static void set_authorities(const struct libcurl *curl, CURL *easy)
{
	static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
					       "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem" };
	const curl_version_info_data *info = curl->version_info(CURLVERSION_NOW);

	if (info->cainfo || info->capath)
		return;
	for (size_t i = 0; i < sizeof(bundles) / sizeof(bundles[0]); i++) {
		if (access(bundles[i], R_OK) == 0) {
			curl->easy_setopt(easy, CURLOPT_CAINFO, bundles[i]);
			return;
		}
	}
}

static void set_options(const struct libcurl *curl, CURL *easy, const struct kernel_btf_places *p, const char *url,
			struct download *d, char *error)
{
	/* An address with TLS never leads to one without. */
	const bool tls = strncmp(url, "https:", 6) == 0;

	curl->easy_setopt(easy, CURLOPT_URL, url);
	curl->easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
	curl->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
	curl->easy_setopt(easy, CURLOPT_MAXREDIRS, 5L);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl->easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, tls ? "https" : "http,https");
#else
	curl->easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS, tls ? CURLPROTO_HTTPS : CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
	curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, p->connect_timeout);
	curl->easy_setopt(easy, CURLOPT_TIMEOUT, p->timeout);
	curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
	curl->easy_setopt(easy, CURLOPT_WRITEDATA, d);
	curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
	set_authorities(curl, easy);
}

int kernel_btf_fetch(const struct kernel_btf_places *p, const char *url, size_t max, struct buf *ret, char *why)
{
	struct download d = { ret, max };
	char error[CURL_ERROR_SIZE] = "";
	struct libcurl *curl = NULL;
	CURL *easy;
	CURLcode code;
	int err;

	log_info("the kernel has no BTF: fetching '%s'", url);
	err = libcurl_open(&curl, why);
	if (err)
		return err;
	easy = curl->easy_init();
	if (!easy) {
		libcurl_close(curl);
		snprintf(why, WHY, "libcurl does not start");
		return -ENOMEM;
	}
	set_options(curl, easy, p, url, &d, error);
	code = curl->easy_perform(easy);
	curl->easy_cleanup(easy);
	if (code != CURLE_OK)
		snprintf(why, WHY, "'%.120s': %.110s", url, *error ? error : curl->easy_strerror(code));
	libcurl_close(curl);
	return code == CURLE_OK ? 0 : -EIO;
}

static int decode_xz(const struct buf *in, struct buf *out, const char **why)
{
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_ret ret = lzma_stream_decoder(&s, UNPACKED_MAX, 0);

	s.next_in = (const uint8_t *)in->p;
	s.avail_in = in->len;
	while (ret == LZMA_OK && out->len < UNPACKED_MAX) {
		s.next_out = (uint8_t *)buf_reserve(out, CHUNK);
		s.avail_out = CHUNK;
		ret = lzma_code(&s, LZMA_FINISH);
		out->len += CHUNK - s.avail_out;
	}
	lzma_end(&s);
	*why = ret == LZMA_OK ? "the archive is too large" : "the xz data is corrupt";
	return ret == LZMA_STREAM_END ? 0 : -EBADMSG;
}

/* Octal digits, spaces around them. Larger ones in base 256 are beyond what we take. */
static bool tar_size(const char *p, uint64_t *ret)
{
	size_t i = 0;

	*ret = 0;
	while (i < TAR_SIZE_DIGITS && p[i] == ' ')
		i++;
	for (; i < TAR_SIZE_DIGITS && p[i] >= '0' && p[i] <= '7'; i++)
		*ret = *ret * 8 + (uint64_t)(p[i] - '0');
	return i == TAR_SIZE_DIGITS || p[i] == '\0' || p[i] == ' ';
}

static bool ends_in_btf(const char *name)
{
	const size_t n = strnlen(name, TAR_NAME);

	return n > 4 && memcmp(name + n - 4, ".btf", 4) == 0;
}

static int find_member(const struct buf *tar, struct str *ret, const char **why)
{
	size_t at = 0;
	uint64_t size;

	*why = "there is no file *.btf in the archive";
	while (tar->len - at >= TAR_BLOCK && tar->p[at] != '\0') {
		const char *header = tar->p + at;

		at += TAR_BLOCK;
		if (!tar_size(header + TAR_SIZE, &size) || size > tar->len - at) {
			*why = "the archive is damaged";
			break;
		}
		if ((header[TAR_TYPE] == '0' || header[TAR_TYPE] == '\0') && ends_in_btf(header)) {
			*ret = (struct str){ tar->p + at, (uint32_t)size };
			return 0;
		}
		/* The last one may lack its padding. */
		size = (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
		at += size < tar->len - at ? size : tar->len - at;
	}
	return -EBADMSG;
}

int kernel_btf_unpack(const struct buf *archive, struct buf *unpacked, struct str *ret, const char **why)
{
	const int err = decode_xz(archive, unpacked, why);

	return err ? err : find_member(unpacked, ret, why);
}
