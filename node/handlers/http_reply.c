/*
 * From a status to what becomes of the task. It stands alone because it is a
 * table that people will want to look up, and a test holds it.
 */
#include "node/handlers/http_reply.h"

enum http_meaning http_meaning(long status)
{
	if (status >= 200 && status < 300)
		return HTTP_OK;
	if (status == 408 || status == 425 || status == 429 || (status >= 500 && status < 600))
		return HTTP_RETRY;
	return HTTP_NEVER;
}

bool http_speaks_against(long status)
{
	return status == 408 || status == 429 || (status >= 500 && status < 600);
}
