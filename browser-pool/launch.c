#include "launch.h"

#include <string.h>

#include "browser.h"
#include "chromium.h"
#include "log.h"
#include "orphans.h"
#include "pool.h"

#define DATA_MORE_MIB	256 /* a process reserves as much before it has done anything */
#define BROWSER_AS_MANY 2   /* pages' limits */

static int64_t page_limit(const struct pool *p)
{
	return (p->caps.page_mb + DATA_MORE_MIB) << 20;
}

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
				    .data_limit_bytes = page_limit(p) * BROWSER_AS_MANY };
	r = child_spawn(&plan, ret, err);
	chromium_plan_done(&words);
	if (r < 0)
		rundir_remove_profile(profile,
				      &note_err); /* if that fails too, the next pool does */
	if (r == 0 && orphans_note_leader(profile, ret->pid, &note_err) < 0)
		log_warning("browser not noted for a later pool", "pid=%d reason=\"%s\"",
			    (int)ret->pid, note_err.text);
	return r;
}

/* All processes of pages are copies of a zygote, with its limits. */
void launch_limit_pages(const struct browser *b)
{
	struct processes *all = b->pool->processes;
	const struct process *m = NULL;

	processes_refresh(all, 0);
	while ((m = processes_next(all, b->pid, m)) != NULL) {
		int r = m->type == PROCESS_ZYGOTE
				? child_lower_data_limit(m->pid, page_limit(b->pool))
				: 0;

		if (r < 0)
			log_warning("pages have the browser's limit on data",
				    "browser=%u pid=%d reason=\"%s\"", b->id, (int)m->pid,
				    strerror(-r));
	}
}
