/* Any bytes as a first message: a request that is accepted survives being written and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "poolmsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pool_request req, again;
	struct error err = { 0 };
	CLEANUP_FREE char *text = NULL;
	json_t *root;

	if (pool_request_parse((const char *)data, size, &req, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
		return 0;
	}
	root = pool_request_format(&req);
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	if (pool_request_parse(text, strlen(text), &again, NULL) < 0 || again.op != req.op ||
	    again.cls != req.cls || again.wait_ms != req.wait_ms || again.ttl_ms != req.ttl_ms ||
	    strcmp(again.tag, req.tag) != 0 || strcmp(again.client, req.client) != 0 ||
	    again.lease != req.lease)
		abort();
	return 0;
}
