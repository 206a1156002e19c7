#include "chromium.h"

#include <stddef.h>
#include <sys/statvfs.h>

#include "mem.h"
#include "orphans.h"

#define SHM_BYTES_ENOUGH (UINT64_C(256) << 20)
#define MAX_WORDS	 48

static const char *const flags[] = {
	"--remote-debugging-pipe",
	"--headless", /* for a full browser; the headless shell is so anyway */
	"--no-startup-window",
	"--disable-software-rasterizer",
	"--disable-background-networking",
	"--disable-component-update",
	"--disable-sync",
	"--disable-extensions",
	"--disable-default-apps",
	"--no-first-run",
	"--no-default-browser-check",
	"--disable-breakpad",
	"--disable-crash-reporter",
	"--disable-back-forward-cache",
	"--disable-background-timer-throttling",
	"--disable-renderer-backgrounding",
	"--disable-backgrounding-occluded-windows",
	"--disable-client-side-phishing-detection",
	"--disable-hang-monitor",
	"--disable-prompt-on-repost",
	"--metrics-recording-only",
	/* What pages log would go to stderr, and the browser waits until we have read it: only what
	 * ends a process is worth that. (Without the first word the second does nothing.) */
	"--enable-logging=stderr",
	"--log-level=3",
	"--mute-audio",
	"--hide-scrollbars",
	"--password-store=basic",
	"--force-color-profile=srgb",
	"--disk-cache-size=33554432",
	/* RenderDocument makes the frame anew for every page, of the same site too: a tenth of the
	 * CPU time of a job that signs in. The last three open four databases for every context, of
	 * which only what stores for pages is of use, and that does without SQLite. */
	("--disable-features=Translate,AcceptCHFrame,MediaRouter,OptimizationHints,"
	 "WebUIReloadButton,WebUIOmniboxPopup,WebUIOmniboxAimPopup,SpareRendererForSitePerProcess,"
	 "RenderDocument,DIPS,DeclarativePerformanceObserver,DomStorageSqliteInMemory"),
};

struct words {
	char **list;
	size_t count;
};

static void add(struct words *w, char *word)
{
	if (w->list == NULL)
		w->list = mem_zalloc_array(MAX_WORDS + 1, sizeof(*w->list));
	if (w->count == MAX_WORDS)
		abort(); /* our own table has outgrown its room */
	w->list[w->count++] = word;
}

/* Pages share memory through /dev/shm; in a container it may be too small for that. */
static bool shm_is_small(void)
{
	struct statvfs fs;

	if (statvfs("/dev/shm", &fs) < 0)
		return true;
	return (uint64_t)fs.f_blocks * fs.f_frsize < SHM_BYTES_ENOUGH;
}

static char **make_argv(const struct settings *s, int64_t heap_mb, const char *profile)
{
	struct words w = { 0 };

	add(&w, mem_strdup(s->pool_browser));
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		add(&w, mem_strdup(flags[i]));
	add(&w, mem_printf("--user-data-dir=%s", profile));
	/* The watchdog is to end a page that wants more, before V8 tries hard to find some. */
	add(&w, mem_printf("--js-flags=--max-old-space-size=%lld", (long long)heap_mb));
	/* Apart it would be in no sandbox either, and its death the browser's (health.h): all it has
	 * apart is 12 MB of its own, and a hop more for every byte. */
	if (s->pool_network == POOL_NETWORK_INSIDE)
		add(&w, mem_strdup("--enable-features=NetworkServiceInProcess2"));
	if (s->pool_sandbox == POOL_SANDBOX_OFF)
		add(&w, mem_strdup("--no-sandbox"));
	if (shm_is_small())
		add(&w, mem_strdup("--disable-dev-shm-usage"));
	return w.list;
}

static char **make_envp(const char *profile)
{
	struct words w = { 0 };

	add(&w, mem_strdup("PATH=/usr/bin:/bin"));
	add(&w, mem_strdup("LANG=C.UTF-8"));
	add(&w, mem_printf("HOME=%s", profile));
	add(&w, mem_printf(ORPHANS_VARIABLE "=%s", profile));
	add(&w, mem_printf("TMPDIR=%s/tmp", profile));
	add(&w, mem_printf("XDG_CONFIG_HOME=%s", profile));
	add(&w, mem_printf("XDG_CACHE_HOME=%s", profile));
	add(&w, mem_printf("XDG_RUNTIME_DIR=%s", profile));
	return w.list;
}

static void free_words(char **list)
{
	for (char **word = list; *word != NULL; word++)
		free(*word);
	free(list);
}

void chromium_plan_init(struct chromium_plan *plan, const struct settings *s, int64_t heap_mb,
			const char *profile)
{
	plan->argv = make_argv(s, heap_mb, profile);
	plan->envp = make_envp(profile);
}

void chromium_plan_done(struct chromium_plan *plan)
{
	free_words(plan->argv);
	free_words(plan->envp);
}
