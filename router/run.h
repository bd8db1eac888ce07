/*
 * run.<type>: a request that is answered with the task's result. The task is
 * as durable as any other; only the waiting for it is not.
 */
#pragma once

#include "common/service.h"
#include "router/router.h"

struct run_call;

struct run *run_new(struct router *r);
/* Those that wait are answered by service_close; what comes after is dropped. */
void run_free(struct run **r);
/* The service's endpoint on "run.*". */
void run_on_request(struct router *r, struct service_request *req);
/* Its task is on a lane or in DELAYED (or DEAD), and recorded. */
void run_durable(struct run_call *c);
/* Answers what still waits: "running". For the drain. */
void run_answer_all(struct run *r);
