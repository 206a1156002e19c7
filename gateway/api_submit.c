#include "api_submit.h"

#include <string.h>

#include "admission.h"
#include "api_input.h"
#include "buf.h"
#include "failure.h"
#include "feeder.h"
#include "hub.h"
#include "mem.h"
#include "ring.h"
#include "session.h"
#include "submit_queue.h"

#define ROOM_DARK_S 30 /* nobody knows when a job of the student ends */

struct submission *submit_new(struct request *r, enum job_kind kind, const char *what)
{
	struct submission *s = request_alloc(r, sizeof(*s));

	s->kind = kind;
	s->what = what;
	s->jobs = json_array();
	if (request_session(r) != NULL) {
		s->user_id = request_session(r)->user_id;
		s->site = request_session(r)->site;
	}
	return s;
}

void submit_add(struct submission *s, const char *job_id, json_t *input, const char *secret)
{
	json_object_set_new(input, "site", json_string(s->site));
	json_array_append_new(s->jobs, json_pack("{s:s, s:o, s:s?, s:s?}", "id", job_id, "input",
						 input, "secret", secret, "session",
						 s->session_hash));
}

void job_json_complete(json_t *job)
{
	json_t *failure = json_object_get(job, "failure");
	const char *code = json_string_value(json_object_get(failure, "code"));

	if (code == NULL || json_is_string(json_object_get(failure, "message")))
		return;
	json_object_set_new(failure, "message", json_string(failure_find(code)->message));
	json_object_set_new(job, "note", json_string(failure_find(code)->message));
}

/* rung: the window has room for it and nobody else is waiting for that. */
static void announce(struct gateway *g, const struct submission *s, const char *job_id, bool rung)
{
	hub_job_created(g->hub, job_id, s->user_id, s->session_hash);
	if (rung)
		ring_job(g, job_kind_queue(s->kind), job_kind_priority(s->kind), job_id, 0);
	else
		feeder_kick(g->feeder);
}

static void reply_accepted(struct request *r, const struct submission *s, json_t *jobs)
{
	json_t *first = json_array_get(jobs, 0);

	if (s->batch[0] == '\0')
		reply_json(r, 202, json_pack("{s:O}", "job", first));
	else
		reply_json(r, 202, json_pack("{s:O, s:O}", "batch",
					     json_object_get(first, "batch"), "jobs", jobs));
	json_decref(jobs);
}

static void got_settled(struct gateway *g, struct request *r, const struct pgloop_result *rows,
			void *arg)
{
	const struct submission *s = arg;

	(void)g;
	(void)rows;
	reply_accepted(r, s, json_incref(s->jobs));
}

static void forget_jobs(void *arg)
{
	json_decref(arg);
}

/* Takes jobs. */
static void reply_settled(struct gateway *g, struct request *r, struct submission *s, json_t *jobs)
{
	s->jobs = jobs;
	request_on_free(r, forget_jobs, jobs);
	submit_queue_settle(g, r, got_settled, s);
}

static void got_room(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		     void *arg)
{
	int64_t wait_s = api_int_value(rows, 0, 0);

	(void)g;
	(void)arg;
	api_reply_later(r, "too_many_jobs",
			wait_s > 0 ? MIN(wait_s, ADMISSION_WAIT_MAX_S) * 1000
				   : admission_spread_s(ROOM_DARK_S) * 1000,
			"Too much of yours is waiting already. Let some of it finish.");
}

/* The student is told when so much of it will have ended that this fits. */
static void reply_too_many(struct gateway *g, struct request *r, const struct submission *s)
{
	const char *params[] = { s->user_id, s->kind == JOB_SIGNIN ? "true" : "false",
				 input_number(r, (int64_t)json_array_size(s->jobs)),
				 input_number(r, g->settings->jobs_per_user),
				 input_number(r, g->settings->jobs_per_user_running) };

	api_query(g, r,
		  "SELECT ceil(pensum.room_in_s($1, $2::boolean, $3::integer, $4::integer, "
		  "$5::integer))::bigint",
		  ARRAY_LEN(params), params, got_room, NULL);
}

static void submitted(struct gateway *g, struct request *r, const struct submit_rows *rows,
		      void *arg)
{
	struct submission *s = arg;
	const char *outcome = submit_rows_value(rows, 0, 0);
	bool is_repeated = strcmp(outcome, "repeated") == 0;
	json_t *jobs;

	if (strcmp(outcome, "too_many") == 0) {
		reply_too_many(g, r, s);
		return;
	}
	if (strcmp(outcome, "signed_out") == 0) {
		session_reply_signed_out(r);
		return;
	}
	if (strcmp(outcome, "mismatch") == 0) {
		reply_problem(r, 422, "idempotency_mismatch",
			      "This Idempotency-Key was used for a different request.");
		return;
	}
	if (s->refused_fn != NULL && s->refused_fn(r, outcome, submit_rows_value(rows, 0, 1)))
		return;
	jobs = json_array();
	if (is_repeated && request_header(r, "Idempotency-Key") != NULL)
		reply_header(r, "Idempotency-Replayed", "true");
	for (size_t i = 0; i < rows->count; i++) {
		json_t *job = api_json_value(rows->all, rows->first + i, 1);

		job_json_complete(job);
		json_array_append_new(jobs, job);
		outcome = submit_rows_value(rows, i, 0);
		if (strcmp(outcome, "repeated") != 0)
			announce(g, s, json_string_value(json_object_get(job, "id")),
				 strcmp(outcome, "rung") == 0);
	}
	if (rows->last)
		redisloop_flush(g->redis); /* the workers can begin while this is answered */
	if (s->accepted_fn != NULL)
		s->accepted_fn(g, r, s->arg);
	/* What is repeated may have been early. */
	if (rows->early || is_repeated)
		reply_settled(g, r, s, jobs);
	else
		reply_accepted(r, s, jobs);
}

/* Keyed, because the body may hold a password, and its plain hash could be tried out. */
static void hash_request(struct gateway *g, const struct submission *s, char out[VAULT_SIGNATURE])
{
	CLEANUP(buf_wipe) struct buf text = BUF_INIT;
	char *body = s->body ? json_dumps(s->body, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	buf_printf(&text, "request %s %s", s->what, body ? body : "");
	vault_sign(g->vault, text.data, out);
	if (body != NULL)
		mem_wipe(body, strlen(body));
	free(body);
}

static void signin_submitted(struct gateway *g, struct request *r,
			     const struct pgloop_result *rows, void *arg)
{
	submitted(g, r,
		  &(struct submit_rows){ .all = rows, .count = pgloop_rows(rows), .last = true },
		  arg);
}

static void send_signin(struct gateway *g, struct request *r, struct submission *s,
			const char *jobs, const char *idem_key, const char *idem_hash)
{
	const char *params[] = { s->user_id,
				 s->session_hash,
				 input_number(r, g->settings->session_ttl_s),
				 job_queue_name(job_kind_queue(s->kind)),
				 job_priority_name(job_kind_priority(s->kind)),
				 jobs,
				 idem_key,
				 idem_hash,
				 input_number(r, g->settings->jobs_per_user),
				 input_number(r, g->settings->jobs_max_attempts),
				 input_number(r, g->settings->jobs_per_user_running) };

	api_query(g, r, "SELECT outcome, job FROM pensum.signin_submit($1, $2, $3::bigint, "
			"$4, $5, $6::jsonb, $7, $8, $9::integer, $10::integer, $11::integer)",
		  ARRAY_LEN(params), params, signin_submitted, s);
}

static void send_jobs(struct gateway *g, struct request *r, struct submission *s, const char *jobs,
		      const char *idem_key, const char *idem_hash)
{
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s?, s:s?, s:s?, s:I, s:I, s:I, s:b, s:O?}", "user",
		s->user_id, "session", request_session(r)->token_hash, "kind",
		job_kind_name(s->kind), "queue", job_queue_name(job_kind_queue(s->kind)),
		"priority", job_priority_name(job_kind_priority(s->kind)), "batch",
		s->batch[0] ? s->batch : NULL, "key", idem_key, "hash", idem_hash, "limit",
		(json_int_t)g->settings->jobs_per_user, "attempts",
		(json_int_t)g->settings->jobs_max_attempts, "running",
		(json_int_t)g->settings->jobs_per_user_running, "reuse", s->reuse,
		"courses", s->courses);
	CLEANUP_FREE char *head = json_dumps(json, JSON_COMPACT);
	CLEANUP(buf_done) struct buf text = BUF_INIT;

	json_decref(json);
	buf_printf(&text, "%.*s,\"jobs\":%s}", (int)strlen(head) - 1, head, jobs);
	submit_queue_add(g->submits, r, text.data, submitted, s);
}

void submit_send(struct gateway *g, struct request *r, struct submission *s)
{
	CLEANUP_FREE char *jobs = json_dumps(s->jobs, JSON_COMPACT);
	size_t count = json_array_size(s->jobs);
	char hash[VAULT_SIGNATURE];
	const char *key = NULL;

	json_decref(s->jobs);
	s->jobs = NULL;
	if (s->what != NULL && !input_idempotency_key(r, &key))
		return;
	if (admission_refuses(g, r, job_kind_queue(s->kind), count))
		return;
	if (s->what != NULL)
		hash_request(g, s, hash);
	if (s->session_hash != NULL)
		send_signin(g, r, s, jobs, key, s->what ? hash : NULL);
	else
		send_jobs(g, r, s, jobs, key, s->what ? hash : NULL);
}
