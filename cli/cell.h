/* One value of a JSON record as the text of a table's cell. Pure. */
#pragma once

#include "cli/cli.h"

/* value may be NULL or null: "". human: units and ages for people, else plain numbers and RFC 3339. */
void cell_add(struct buf *out, const json_t *value, enum cli_cell kind, bool human,
			  int64_t now_wall_ns);
/* An escape sequence for a state's name, or NULL. */
const char *cell_paint(const char *state);
