#include "jobs.h"

#include <stdbool.h>

#include "lib/bench.h"
#include "peer.h"

#define MAX_LATENCIES 65536

#define WHERE "{\"expression\":\"location.pathname\",\"returnByValue\":true}"

static unsigned sign_ins; /* of this run */

static void open_path(struct peer *p, const struct plan *plan, const char *path)
{
	unsigned before = p->loads;
	char params[256];

	snprintf(params, sizeof(params), "{\"url\":\"%s%s\"}", plan->url, path);
	peer_do(p, "Page.navigate", params);
	peer_wait_load(p, before);
}

static void sign_in(struct peer *p, const struct plan *plan)
{
	unsigned before = p->loads;

	json_decref(peer_evaluate(p, plan->sign_in));
	peer_wait_load(p, before);
	sign_ins++;
}

static bool is_at(struct peer *p, const char *path)
{
	json_t *value = peer_evaluate(p, WHERE);
	const char *text = json_string_value(value);
	bool is = text != NULL && strcmp(text, path) == 0;

	json_decref(value);
	return is;
}

/* Not where a fresh page is: whatever of the way is left is gone. */
static void go_on_to_home(struct peer *p, const struct plan *plan)
{
	if (is_at(p, "/home"))
		return;
	peer_do(p, "Page.enable", "{}");
	open_path(p, plan, "/home");
	if (is_at(p, "/login"))
		sign_in(p, plan);
}

static void fetch_all(struct peer *p, const struct plan *plan)
{
	json_t *sum = peer_evaluate(p, plan->fetch);

	if (json_integer_value(sum) != plan->expected)
		die("the fetches gave %lld", (long long)json_integer_value(sum));
	json_decref(sum);
}

static void do_steps(struct peer *p, const struct plan *plan, bool with_sign_in, const char *key)
{
	peer_lease(p, plan->socket, key);
	if (key != NULL) {
		go_on_to_home(p, plan);
	} else {
		peer_do(p, "Page.enable", "{}");
		open_path(p, plan, with_sign_in ? "/login" : "/home?open");
		if (with_sign_in)
			sign_in(p, plan);
	}
	fetch_all(p, plan);
}

static void run(const struct plan *plan, double ms, bool with_sign_in, const char *key)
{
	static double latencies[MAX_LATENCIES];
	double begun = now_us(), end = begun;
	size_t count = 0;

	sign_ins = 0;
	while (end - begun < ms * 1000 && count < MAX_LATENCIES) {
		double asked = end;
		struct peer p;

		do_steps(&p, plan, with_sign_in, key);
		peer_done(&p);
		end = now_us();
		latencies[count++] = (end - asked) / 1000;
	}
	printf("done %.3f %u", (end - begun) / 1000, sign_ins);
	for (size_t i = 0; i < count; i++)
		printf(" %.3f", latencies[i]);
	putchar('\n');
}

static void hold(const struct plan *plan, bool with_sign_in, const char *key)
{
	struct peer p;
	char line[16];

	do_steps(&p, plan, with_sign_in, key);
	puts("held");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		exit(0);
	peer_done(&p);
	puts("done");
}

static void time_lease(const struct plan *plan)
{
	double asked = now_us();
	struct peer p;

	peer_lease(&p, plan->socket, NULL);
	printf("leased %.4f\n", (now_us() - asked) / 1000);
	peer_done(&p);
}

static const char *key_of(const char *text)
{
	return strcmp(text, "-") == 0 ? NULL : text;
}

void jobs_run(const struct plan *plan)
{
	char line[256], key[128];
	int with_sign_in;
	double ms;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (sscanf(line, "run %lf %d %127s", &ms, &with_sign_in, key) == 3)
			run(plan, ms, with_sign_in, key_of(key));
		else if (sscanf(line, "hold %d %127s", &with_sign_in, key) == 2)
			hold(plan, with_sign_in, key_of(key));
		else if (strcmp(line, "lease\n") == 0)
			time_lease(plan);
		else
			die("not understood: %s", line);
		fflush(stdout);
	}
}
