#include "denied.h"

#include <string.h>

#include "mem.h"

static const char *const names[] = {
	"Browser.close",
	"Browser.crash",
	"Browser.getVersion",
	"Browser.grantPermissions",
	"Browser.setDownloadBehavior",
	"CacheStorage.requestEntries",
	"DOM.setFileInputFiles",
	"Debugger.enable",
	"Fetch.continueRequest",
	"HeapProfiler.enable",
	"IndexedDB.requestData",
	"Network.loadNetworkResource",
	"Page.close",
	"Page.crash",
	"Page.createIsolatedWorld",
	"Page.navigate",
	"Page.setDownloadBehavior",
	"Page.startScreencast",
	"Profiler.enable",
	"Security.setIgnoreCertificateErrors",
	"ServiceWorker.enable",
	"Storage.clearDataForOrigin",
	"Storage.getCookies",
	"Storage.setCookies",
	"SystemInfo.getInfo",
	"SystemInfo.getProcessInfo",
	"Target.attachToBrowserTarget",
	"Target.attachToTarget",
	"Target.closeTarget",
	"Target.createBrowserContext",
	"Target.createTarget",
	"Target.disposeBrowserContext",
	"Target.exposeDevToolsProtocol",
	"Target.getTargets",
	"Target.sendMessageToTarget",
	"Target.setAutoAttach",
	"Target.setDiscoverTargets",
	"Tracing.start",
	"other",
};

_Static_assert(ARRAY_LEN(names) <= DENIED_NAMES, "each name has its count");

void denied_note(struct denied *d, const char *method, size_t len)
{
	unsigned i = 0;

	while (i < ARRAY_LEN(names) - 1 &&
	       (strlen(names[i]) != len || memcmp(names[i], method, len) != 0))
		i++;
	d->counts[i]++;
}

const char *denied_name(unsigned i)
{
	return i < ARRAY_LEN(names) ? names[i] : NULL;
}
