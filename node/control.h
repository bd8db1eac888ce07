/* ctl.node.<name>.drain, undrain and stop: the node as a NATS service. */
#pragma once

#include "common/service.h"
#include "node/node.h"

MUST_CHECK int control_open(struct node *n, struct service **ret, struct err *e);
