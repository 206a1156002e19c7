#include "traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "mem.h"
#include "metrics_text.h"

#define ROUTES_MAX  64 /* rows of routes.c, and one for all else */
#define CLASSES	    5  /* 1xx … 5xx */
#define CODES_MAX   24
#define REASONS_MAX 24

static const double bounds[] = {
	0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5
};

struct tally {
	uint64_t classes[CLASSES];
	uint64_t counts[ARRAY_LEN(bounds) + 1];
	double sum;
};

struct traffic {
	struct tally routes[ROUTES_MAX];
	struct {
		int code;
		uint64_t count;
	} closed[CODES_MAX];
	struct {
		const char *code; /* literals of ours */
		uint64_t count;
	} limited[REASONS_MAX];
	uint64_t conflated, events;
};

struct traffic *traffic_new(void)
{
	return mem_zalloc(sizeof(struct traffic));
}

void traffic_free(struct traffic *t)
{
	free(t);
}

static size_t index_of(const struct route *route)
{
	size_t i = route == NULL ? route_count : (size_t)(route - routes);

	return MIN(i, ROUTES_MAX - 1);
}

static struct histogram histogram_of(struct tally *y)
{
	return (struct histogram){ .bounds = bounds,
				   .bound_count = ARRAY_LEN(bounds),
				   .counts = y->counts,
				   .sum = y->sum };
}

void traffic_answered(struct traffic *t, const struct route *route, int status, int64_t took_us)
{
	struct tally *y = &t->routes[index_of(route)];
	struct histogram h = histogram_of(y);

	y->classes[MAX(0, MIN(status / 100 - 1, CLASSES - 1))]++;
	histogram_add(&h, (double)MAX(took_us, 0) / 1e6);
	y->sum = h.sum;
}

void traffic_channel_closed(struct traffic *t, int code)
{
	size_t i = 0;

	if (code == 0)
		code = 1006;
	while (i < CODES_MAX - 1 && t->closed[i].count > 0 && t->closed[i].code != code)
		i++; /* codes of peers may be many: the last place takes what is left */
	t->closed[i].code = i == CODES_MAX - 1 ? 0 : code;
	t->closed[i].count++;
}

uint64_t traffic_closed_total(const struct traffic *t)
{
	uint64_t total = 0;

	for (size_t i = 0; i < CODES_MAX; i++)
		total += t->closed[i].count;
	return total;
}

void traffic_conflated(struct traffic *t)
{
	t->conflated++;
}

void traffic_event(struct traffic *t)
{
	t->events++;
}

void traffic_limited(struct traffic *t, const char *code)
{
	size_t i = 0;

	while (i < REASONS_MAX - 1 && t->limited[i].code != NULL &&
	       strcmp(t->limited[i].code, code) != 0)
		i++;
	t->limited[i].code = code;
	t->limited[i].count++;
}

static const char *path_of(size_t i)
{
	return i < route_count ? routes[i].path : "other";
}

static const char *method_of(size_t i)
{
	static const char *const names[] = {
		[HTTP_GET] = "GET", [HTTP_POST] = "POST", [HTTP_DELETE] = "DELETE"
	};

	return i < route_count ? names[routes[i].method] : "";
}

static bool was_asked(const struct tally *y)
{
	for (int c = 0; c < CLASSES; c++)
		if (y->classes[c] > 0)
			return true;
	return false;
}

static void write_requests(const struct traffic *t, struct buf *out)
{
	metrics_family(out, "http_requests_total", "counter",
		       "Requests answered by this gateway, by route and class of the status.");
	for (size_t i = 0; i < ROUTES_MAX; i++)
		for (int c = 0; c < CLASSES; c++) {
			char class[4];

			snprintf(class, sizeof(class), "%dxx", c + 1);
			if (t->routes[i].classes[c] > 0)
				metrics_sample(out, "http_requests_total",
					       (double)t->routes[i].classes[c], "route", path_of(i),
					       "method", method_of(i), "class", class, NULL);
		}
}

/* Both methods of one path are one series here: less to read, and the bounds are wide anyway. */
static void write_durations(const struct traffic *t, struct buf *out)
{
	static const char name[] = "http_request_duration_seconds";
	bool done[ROUTES_MAX] = { false };

	metrics_family(out, name, "histogram",
		       "From a whole request to its answer being given to the socket, by route.");
	for (size_t i = 0; i < ROUTES_MAX; i++) {
		struct tally all = t->routes[i];
		struct histogram h = histogram_of(&all);

		for (size_t k = i + 1; k < ROUTES_MAX && !done[i]; k++) {
			if (strcmp(path_of(k), path_of(i)) != 0)
				continue;
			done[k] = true;
			for (size_t b = 0; b <= ARRAY_LEN(bounds); b++)
				h.counts[b] += t->routes[k].counts[b];
			for (int c = 0; c < CLASSES; c++)
				all.classes[c] += t->routes[k].classes[c];
			h.sum += t->routes[k].sum;
		}
		if (!done[i] && was_asked(&all))
			metrics_histogram(out, name, &h, "route", path_of(i));
	}
}

static void write_channels(const struct traffic *t, struct buf *out, size_t channels)
{
	char code[16];

	metrics_family(out, "ws_connections", "gauge", "Live channels that are open here.");
	metrics_sample(out, "ws_connections", (double)channels, NULL);
	metrics_family(out, "ws_closed_total", "counter",
		       "Live channels that ended, by close code; 1006: the peer broke off.");
	for (size_t i = 0; i < CODES_MAX && t->closed[i].count > 0; i++) {
		snprintf(code, sizeof(code), "%d", t->closed[i].code);
		metrics_sample(out, "ws_closed_total", (double)t->closed[i].count, "code", code,
			       NULL);
	}
	metrics_family(
		out, "ws_conflated_total", "counter",
		"Progress events that a newer one of the same job replaced while they waited "
		"for a slow reader.");
	metrics_sample(out, "ws_conflated_total", (double)t->conflated, NULL);
	metrics_family(out, "progress_events_total", "counter",
		       "Job events that this gateway read from the event stream.");
	metrics_sample(out, "progress_events_total", (double)t->events, NULL);
}

void traffic_write(const struct traffic *t, struct buf *out, size_t channels)
{
	write_requests(t, out);
	write_durations(t, out);
	metrics_family(
		out, "http_limited_total", "counter",
		"Requests refused for a while (429, 503 with Retry-After), by problem code.");
	for (size_t i = 0; i < REASONS_MAX && t->limited[i].code != NULL; i++)
		metrics_sample(out, "http_limited_total", (double)t->limited[i].count, "code",
			       t->limited[i].code, NULL);
	write_channels(t, out, channels);
}
