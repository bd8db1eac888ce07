/* What the leader answers: api.pool.*, api.agent.*, api.scaler.status and .predict. */
#pragma once

#include "common/service.h"
#include "scaler/scaler.h"

/* Opened when we lead, closed when we do no more: so that only the leader answers. */
MUST_CHECK int api_open(struct scaler *s, struct service **ret, struct err *e);
