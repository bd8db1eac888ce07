/*
 * How outcomes leave: successes in batches on events.done, failures one by
 * one on events.act. Once EVENTS has it, the lane's message is acknowledged
 * and a success is told on results.<type>.<id> and to who asked.
 */
#pragma once

#include "node/run.h"

/* While a batch is on its way others gather, up to so many outcomes or bytes; then another leaves. */
#define REPORT_GATHER_MAX 64
#define REPORT_GATHER_BYTES (64 * 1024)
#define REPORT_BATCHES_MAX 8
#define REPORT_BATCH_BYTES (256 * 1024)
#define REPORT_HOLD_FIRST_MS 200
#define REPORT_HOLD_MAX_MS 5000

struct reporter;

struct reporter *reporter_open(struct node *n);
/* Forgets what is under way; its runs must be gone (running_close). */
void reporter_close(struct reporter **p);

/*
 * Both own r until it is settled. A failure of a run that was kept too late is not reported: the
 * task runs elsewhere by now.
 */
void report_success(struct reporter *p, struct run *r);
void report_failure(struct reporter *p, struct run *r);
