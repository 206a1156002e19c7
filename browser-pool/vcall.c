#include "vcall.h"

#include "browser.h"
#include "mem.h"
#include "pool_lease.h"
#include "vtargets.h"

static const char *name_of(const struct vcall *call)
{
	return call->name[0] ? call->name : NULL;
}

void vcall_answer(const struct vcall *call, json_t *result)
{
	pool_lease_tell(call->v->lease, json_pack("{sI so ss*}", "id", (json_int_t)call->client_id,
						  "result", result, "sessionId", name_of(call)));
}

void vcall_fail(const struct vcall *call, const char *sentence)
{
	pool_lease_answer_error(call->v->lease, name_of(call), call->client_id, CDP_ERROR_SERVER,
				sentence);
}

void vcall_pass(const struct vcall *call, const char *method, json_t *params)
{
	struct context *c = call->v->context;
	struct call on_pipe = { .owner = c,
				.session = call->session,
				.client_id = call->client_id };

	browser_call_as(c->browser, &on_pipe, c->browser_session, method, params);
}

void vcall_go(const struct vcall *call, const char *session, const char *method, json_t *params,
	      call_fn *fn)
{
	struct context *c = call->v->context;
	struct vcall *copy = mem_zalloc(sizeof(*copy));
	struct call on_pipe = { .fn = fn, .arg = copy, .owner = c };

	*copy = *call;
	copy->session = NULL;
	browser_call_as(c->browser, &on_pipe, session, method, params);
}

bool vcall_goes_on(const struct vcall *call, json_t *result, const char *error)
{
	if (call->v->lease->state != POOL_LEASE_LENT)
		return false;
	if (result == NULL)
		vcall_fail(call, error);
	return result != NULL;
}

static void on_done(void *arg, json_t *result, const char *error)
{
	struct vcall *call = arg;

	if (vcall_goes_on(call, result, error))
		vcall_answer(call, call->target[0] ? json_pack("{ss}", "targetId", call->target)
						   : json_object());
	free(call);
}

void vcall_answer_after_all(const struct vcall *call)
{
	vcall_go(call, call->v->context->browser_session, "Browser.getVersion", NULL, on_done);
}

void vcall_ignored(struct vbrowser *v, const char *session, const char *method, json_t *params)
{
	browser_tell(v->context->browser, session, method, params);
}
