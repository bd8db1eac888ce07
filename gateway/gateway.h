/* The gateway as a whole: what main.c starts and its files share. */
#pragma once

#include "common/bus.h"
#include "common/daemon.h"
#include "common/service.h"
#include "gateway/access.h"
#include "gateway/ask.h"
#include "gateway/config.h"
#include "gateway/docs.h"
#include "gateway/http.h"
#include "gateway/recent.h"
#include "gateway/waits.h"

struct collector;
struct question;
struct submitting;
struct sending;
struct live;
struct feeds;

struct gateway {
	struct gateway_config config;
	struct daemon daemon;
	struct bus *bus;
	struct service *service; /* ctl.metrics, $SRV */
	struct http *http;
	struct access access;
	struct docs docs;
	struct collector *collector;   /* collect.c: everybody's metrics */
	struct question *questions;    /* ask.c: under way */
	struct submitting *submitting; /* publish.c: under way */
	struct sending *sending;       /* result.c: objects on their way out */
	struct waits waits;
	struct recent recent;
	struct live *live;          /* the picture of the system, for /events, /health, … */
	struct feeds *feeds;        /* /events?feed=tasks */
	int64_t started_mono_ms;
	bool stopping;
	struct timeout stop_look;
};

MUST_CHECK int gateway_start(struct gateway *g, struct err *e);
/* Takes no more requests, waits for those that are open, then daemon_stopped. */
void gateway_stop(struct gateway *g);
void gateway_release(struct gateway *g);

void ask_release(struct gateway *g);
void submit_release(struct gateway *g);
void result_release(struct gateway *g);
