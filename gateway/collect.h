/*
 * The metrics of the whole system: every component is asked once on ctl.metrics, and what comes is
 * one exposition. Those who ask meanwhile get the same.
 */
#pragma once

#include "common/buf.h"
#include "common/err.h"

struct gateway;
struct collector;

/* The target and the window of the promise are the configuration's. */
struct collector *collector_new(struct gateway *g);
/* Nobody is called any more. NULL is fine. */
void collector_free(struct collector **c);

/* Runs once with the text, never before collect returned; not at all when the gateway ends. */
typedef void (*collect_on_text)(void *data, const struct buf *text);
void collect(struct collector *c, collect_on_text on_text, void *data);
