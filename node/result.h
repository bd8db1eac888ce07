/* A completed task's result, told to whoever listens and to who asked. */
#pragma once

#include "node/run.h"

/* On results.<type>.<id> and, where set, on Task-Reply-To; without acknowledgement. r is a success. */
void result_tell(const struct run *r);
