#include "launch.h"

#include "chromium.h"
#include "log.h"
#include "orphans.h"
#include "pool.h"

#define DATA_MORE_MIB 256 /* a process reserves as much before it has done anything */

int launch_chromium(struct pool *p, const char *profile, struct child *ret, struct error *err)
{
	struct chromium_plan words;
	struct child_plan plan;
	struct error note_err;
	int r;

	chromium_plan_init(&words, p->settings, p->caps.page_mb, profile);
	plan = (struct child_plan){ .path = p->settings->pool_browser,
				    .argv = words.argv,
				    .envp = words.envp,
				    .dir = profile,
				    .data_limit_bytes = (p->caps.page_mb + DATA_MORE_MIB) << 20 };
	r = child_spawn(&plan, ret, err);
	chromium_plan_done(&words);
	if (r < 0)
		rundir_remove_profile(profile, &note_err); /* if that fails too, the next pool does */
	if (r == 0 && orphans_note_leader(profile, ret->pid, &note_err) < 0)
		log_warning("browser not noted for a later pool", "pid=%d reason=\"%s\"",
			    (int)ret->pid, note_err.text);
	return r;
}
