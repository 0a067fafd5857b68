/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/budget.h"

#include "util/log.h"

void budget_set(struct budget *b, size_t *counted, size_t bytes, bool by_user)
{
	b->used = b->used - *counted + bytes;
	if (by_user)
		b->by_users = b->by_users - *counted + bytes;
	*counted = bytes;
}

bool budget_allows(struct budget *b, bool by_user)
{
	if (b->used <= BUDGET_MAX && (!by_user || b->by_users <= BUDGET_USERS_MAX))
		return true;
	if (!b->said)
		log_warn(
			"containers and pods have more than %d MB of labels and annotations, or those of users' daemons more than %d "
			"MB: of further ones these are not known",
			BUDGET_MAX >> 20, BUDGET_USERS_MAX >> 20);
	b->said = true;
	return false;
}

char *budget_labels(struct budget *b, struct label *labels, size_t n, bool by_user)
{
	return label_json(labels, budget_allows(b, by_user) ? n : 0);
}
