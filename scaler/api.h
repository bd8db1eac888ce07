/* What the leader answers: api.pool.*, api.agent.*, api.scaler.status and .predict. */
#pragma once

#include "common/service.h"
#include "scaler/scaler.h"

/* Without endpoints where we don't lead: so that only the leader answers, and all are seen (nats micro ls, ctl.metrics). */
MUST_CHECK int api_open(struct scaler *s, bool leading, struct service **ret, struct err *e);
