/*
 * The numbers of our HTTP side. They stand alone so that neither the server
 * nor the routes know of them. Labels are few: known methods, classes of
 * status, reasons of refusal. It cannot fail.
 */
#include "gateway/traffic.h"

#include <stdio.h>

#include "common/metrics.h"

static const char *method_of(const struct http_request *r)
{
	static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (str_eq(http_method(r), known[i]))
			return known[i];
	}
	return "other";
}

static const struct {
	unsigned status;
	const char *labels;
} refusals[] = {
	{401, "reason=\"token\""}, {403, "reason=\"scope\""},       {413, "reason=\"size\""},
	{429, "reason=\"rate\""},  {503, "reason=\"unavailable\""},
};

static struct metric *refused(const char *labels)
{
	return metric_counter("millrace_gateway_refused_total",
						  "Requests that were refused, by reason.", labels);
}

static struct metric *seconds(void)
{
	return metric_histogram(
		"millrace_gateway_request_seconds",
		"From a request's line to its answer's last byte; streams are left out.", NULL);
}

void traffic_open(void)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		(void)refused(refusals[i].labels);
	(void)seconds();
}

void traffic_done(const struct http_request *r, unsigned status, int64_t took_ms)
{
	char labels[80], class[8] = "none";

	if (status >= 100 && status <= 599)
		snprintf(class, sizeof(class), "%uxx", status / 100);
	snprintf(labels, sizeof(labels), "method=\"%s\",status=\"%s\"", method_of(r), class);
	metric_add(metric_counter("millrace_gateway_requests_total",
							  "Requests by method and class of their answer; none: the client "
							  "left before.",
							  labels),
			   1);
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		if (refusals[i].status == status)
			metric_add(refused(refusals[i].labels), 1);
	}
	/* A stream lasts as long as its client listens. */
	if (!http_is_stream(r))
		metric_observe(seconds(), (double)took_ms / 1000);
}

void traffic_look(const struct http *h)
{
	metric_set(metric_gauge("millrace_gateway_connections", "Open connections.", NULL),
			   h ? (double)http_connections(h) : 0);
	metric_set(
		metric_gauge("millrace_gateway_open_requests", "Requests without an answer yet.", NULL),
		h ? (double)http_open_requests(h) : 0);
	metric_set(metric_gauge("millrace_gateway_open_answers",
							"Answers that are being sent as they come: listeners, large results.",
							NULL),
			   h ? (double)http_streams(h) : 0);
}
