/* SPDX-License-Identifier: BSD-3-Clause */
/* Labels as JSON: sorted, valid, bounded. */
#include <cjson/cJSON.h>
#include <stdlib.h>

#include "check.h"
#include "meta/label.h"

static void test_labels_are_sorted_json(void)
{
	struct label l[] = { { "b", "2" }, { "a", "1" }, { "a.b", "\"q\"\n\x1b[2J\x7f\\" } };
	char *json = label_json(l, 3);

	CHECK_STR(json, "{\"a\":\"1\",\"a.b\":\"\\\"q\\\"\\n\\u001b[2J\\u007f\\\\\",\"b\":\"2\"}");
	free(json);
	json = label_json(NULL, 0);
	CHECK_STR(json, "{}");
	free(json);
}

static void test_labels_are_valid_utf8(void)
{
	struct label l[] = { { "k", "a\xff\xc3\xa9\xc2\x9b\xed\xa0\x80\xe2\x82" } };
	char *json = label_json(l, 1);

	CHECK_STR(
		json,
		"{\"k\":\"a\xef\xbf\xbd\xc3\xa9\\u009b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}");
	free(json);
}

static void test_labels_are_bounded(void)
{
	char *big = malloc(100001);
	struct label l[40];
	char keys[40][8];
	cJSON *o;
	char *json;

	memset(big, 'x', 100000);
	big[100000] = '\0';
	l[0] = (struct label){ "big", big };
	json = label_json(l, 1);
	CHECK(strlen(json) < LABEL_VALUE_MAX + 32);
	CHECK(strstr(json, "xxx...\"}") != NULL);
	free(json);
	for (int i = 0; i < 40; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%02d", i);
		l[i] = (struct label){ keys[i], big };
	}
	json = label_json(l, 40);
	CHECK(strlen(json) <= LABEL_JSON_MAX);
	o = cJSON_Parse(json);
	CHECK(o != NULL);
	CHECK_STR(cJSON_GetObjectItem(o, "...")->valuestring, "35 more");
	cJSON_Delete(o);
	free(json);
	free(big);
}

int main(void)
{
	RUN(test_labels_are_sorted_json);
	RUN(test_labels_are_valid_utf8);
	RUN(test_labels_are_bounded);
	return check_status();
}
