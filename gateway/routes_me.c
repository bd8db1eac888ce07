/* /api/v1/me: what the one who asks may do, so that a page shows no button that would be refused. */
#include "gateway/gateway.h"
#include "gateway/routes.h"

static void on_me(void *data, struct http_request *r)
{
	const struct gateway *g = data;
	json_t *scopes;

	if (!ask_no_query(r))
		return;
	scopes = json_array();
	for (enum scope s = SCOPE_READ; s <= http_scope(r); s++)
		json_array_append_new(scopes, json_string(scope_name(s)));
	http_reply_json(r, 200,
					json_pack("{s:o, s:b, s:s}", "scopes", scopes, "tokens",
							  g->access.tokens.path != NULL, "version", MILLRACE_VERSION));
}

const struct http_route me_routes[] = {
	{"GET", "/api/v1/me", SCOPE_READ, on_me, 0, NULL},
	{0},
};
