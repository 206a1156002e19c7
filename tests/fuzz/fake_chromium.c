#include "fake_chromium.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cdpmsg.h"
#include "child.h"
#include "filter.h"
#include "mem.h"
#include "rundir.h"

struct fake_chromium fake_chromium = { .fd = -1, .in = BUF_INIT };

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* In place of the real ones */

int __wrap_child_spawn(const struct child_plan *plan, struct child *ret, struct error *err);
void __wrap_child_kill_group(pid_t pid);
bool __wrap_child_group_is_gone(pid_t pid);
int __wrap_rundir_make_profile(struct rundir *dir, unsigned id, char **ret, struct error *err);
int __wrap_rundir_remove_profile(const char *profile, struct error *err);

int __wrap_child_spawn(const struct child_plan *plan, struct child *ret, struct error *err)
{
	int pair[2], noise[2];

	(void)plan;
	(void)err;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	must(pipe2(noise, O_NONBLOCK | O_CLOEXEC) == 0);
	close(noise[1]);
	fake_chromium_reset();
	fake_chromium.fd = pair[1];
	*ret = (struct child){ .pid = INT_MAX, /* nobody's */
			       .in_fd = pair[0],
			       .out_fd = pair[0],
			       .stderr_fd = noise[0] };
	return 0;
}

void __wrap_child_kill_group(pid_t pid)
{
	(void)pid;
}

bool __wrap_child_group_is_gone(pid_t pid)
{
	(void)pid;
	return true;
}

int __wrap_rundir_make_profile(struct rundir *dir, unsigned id, char **ret, struct error *err)
{
	(void)dir;
	(void)err;
	*ret = mem_printf("browser-%u", id);
	return 0;
}

int __wrap_rundir_remove_profile(const char *profile, struct error *err)
{
	(void)profile;
	(void)err;
	return 0;
}

/* Words to the pool */

void fake_chromium_close(void)
{
	if (fake_chromium.fd >= 0)
		close(fake_chromium.fd);
	fake_chromium.fd = -1;
}

void fake_chromium_reset(void)
{
	fake_chromium_close();
	buf_clear(&fake_chromium.in);
	fake_chromium =
		(struct fake_chromium){ .fd = -1, .in = fake_chromium.in, .answers_all = true };
}

void fake_chromium_send(const char *text, size_t len, bool with_end)
{
	ssize_t ignored;

	if (fake_chromium.fd < 0)
		return;
	ignored = send(fake_chromium.fd, text, len, MSG_NOSIGNAL);
	if (with_end)
		ignored = send(fake_chromium.fd, "", 1, MSG_NOSIGNAL);
	(void)ignored; /* the pool may have closed */
}

static void say(json_t *message)
{
	CLEANUP_FREE char *text = json_dumps(message, JSON_COMPACT);

	fake_chromium_send(text, strlen(text), true);
	json_decref(message);
}

static void answer(json_t *call, json_t *result)
{
	say(json_pack("{sO so sO*}", "id", json_object_get(call, "id"), "result", result,
		      "sessionId", json_object_get(call, "sessionId")));
}

static void new_name(char kind, char *ret, size_t size)
{
	snprintf(ret, size, "%c%u", kind, ++fake_chromium.last_name);
}

static const char *param(json_t *call, const char *name)
{
	json_t *params = json_object_get(call, "params");
	const char *text = json_string_value(json_object_get(params, name));

	return text ? text : "";
}

static json_t *info_of(unsigned i)
{
	return json_pack("{ss ss ss ss sb ss}", "targetId", fake_chromium.targets[i].id, "type",
			 "page", "title", "", "url", "about:blank", "attached", 0,
			 "browserContextId", fake_chromium.targets[i].context);
}

/* What it can do */

static void answer_name(json_t *call, const char *member, char kind)
{
	char name[16];

	new_name(kind, name, sizeof(name));
	answer(call, json_pack("{ss}", member, name));
}

static void do_context(json_t *call)
{
	answer_name(call, "browserContextId", 'C');
}

static void do_create(json_t *call)
{
	unsigned i = fake_chromium.target_count;

	if (i == ARRAY_LEN(fake_chromium.targets)) {
		answer(call, json_object());
		return;
	}
	fake_chromium.target_count++;
	new_name('T', fake_chromium.targets[i].id, sizeof(fake_chromium.targets[i].id));
	snprintf(fake_chromium.targets[i].context, sizeof(fake_chromium.targets[i].context), "%s",
		 param(call, "browserContextId"));
	say(json_pack("{ss s{so}}", "method", "Target.targetCreated", "params", "targetInfo",
		      info_of(i)));
	answer(call, json_pack("{ss}", "targetId", fake_chromium.targets[i].id));
}

static void attach(json_t *call, const char *target, const char *type)
{
	char name[16];

	new_name(*type == 'b' ? 'B' : 'P', name, sizeof(name));
	say(json_pack("{ss s{ss s{ss ss} sb} sO*}", "method", "Target.attachedToTarget", "params",
		      "sessionId", name, "targetInfo", "targetId", target, "type", type,
		      "waitingForDebugger", 0, "sessionId", json_object_get(call, "sessionId")));
	answer(call, json_pack("{ss}", "sessionId", name));
}

static void do_attach(json_t *call)
{
	attach(call, param(call, "targetId"), "page");
}

static void do_attach_browser(json_t *call)
{
	attach(call, "whole", "browser");
}

static void do_targets(json_t *call)
{
	json_t *infos = json_array();

	for (unsigned i = 0; i < fake_chromium.target_count; i++)
		json_array_append_new(infos, info_of(i));
	answer(call, json_pack("{so}", "targetInfos", infos));
}

static void do_version(json_t *call)
{
	answer(call, json_pack("{ss}", "product", "HeadlessChrome/1.2.3"));
}

static void do_nothing(json_t *call)
{
	answer(call, json_object());
}

static void do_window(json_t *call)
{
	answer(call, json_pack("{si s{}}", "windowId", 1, "bounds"));
}

static const struct {
	const char *method;
	void (*run)(json_t *call);
} verbs[] = {
	{ "Browser.getVersion", do_version },
	{ "Browser.getWindowForTarget", do_window },
	{ "Browser.setWindowBounds", do_nothing },
	{ "Storage.clearCookies", do_nothing },
	{ "Storage.getCookies", do_nothing },
	{ "Storage.setCookies", do_nothing },
	{ "SystemInfo.getProcessInfo", do_nothing },
	{ "Target.activateTarget", do_nothing },
	{ "Target.attachToBrowserTarget", do_attach_browser },
	{ "Target.attachToTarget", do_attach },
	{ "Target.closeTarget", do_nothing },
	{ "Target.createBrowserContext", do_context },
	{ "Target.createTarget", do_create },
	{ "Target.detachFromTarget", do_nothing },
	{ "Target.getTargetInfo", do_nothing },
	{ "Target.getTargets", do_targets },
	{ "Target.setDiscoverTargets", do_nothing },
};

static bool is_page_session(const struct cdpmsg *m)
{
	return m->session.len > 0 && m->text[m->session.at] != 'B';
}

/* For popups (popups.c); a page's session may ask for the same, if the filter lets it. */
static bool is_of_pool(const struct cdpmsg *m)
{
	return !is_page_session(m) && cdpmsg_method_is(m, "Target.setAutoAttach");
}

/* Nothing leaves the pool that is not strict, or that no client may ask for and the pool does not
 * ask either. */
static void take(const char *text, size_t len)
{
	json_t *call = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
	struct cdpmsg m;

	must(cdpmsg_scan(text, len, &m, NULL) == 0);
	must(m.has_id && m.id > 0 && m.method.len > 0);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (cdpmsg_method_is(&m, verbs[i].method) && call != NULL) {
			must(!is_page_session(&m) || fake_chromium.answers_all ||
			     strstr(verbs[i].method, "Target.") != NULL);
			verbs[i].run(call);
			json_decref(call);
			return;
		}
	if (fake_chromium.answers_all || is_of_pool(&m))
		do_nothing(call); /* no client has spoken yet, or it is not a client who does */
	else
		must(is_page_session(&m) && filter_check(&m, NULL) == 0);
	fake_chromium.open_id = m.id;
	snprintf(fake_chromium.open_session, sizeof(fake_chromium.open_session), "%.*s",
		 (int)m.session.len, text + m.session.at);
	json_decref(call);
}

bool fake_chromium_turn(void)
{
	struct fake_chromium *f = &fake_chromium;
	char bytes[65536];
	ssize_t got = f->fd >= 0 ? read(f->fd, bytes, sizeof(bytes)) : -1;
	char *end;

	if (got <= 0)
		return false;
	buf_add(&f->in, bytes, (size_t)got);
	while ((end = memchr(f->in.data, '\0', f->in.len)) != NULL) {
		size_t len = (size_t)(end - f->in.data);

		take(f->in.data, len);
		buf_drop(&f->in, len + 1);
	}
	return true;
}
