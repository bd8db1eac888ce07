/* Which directories the processes of this host work in. Blocks: reads /proc. */
#pragma once

#include "common/base.h"

struct heal_users;
struct heal_users *heal_users_look(void);
void heal_users_free(struct heal_users *u); /* NULL is fine */
/* Whether any process that we may look at has its working directory, root, or an open file at path or below it. */
bool heal_users_has(const struct heal_users *u, const char *path);
