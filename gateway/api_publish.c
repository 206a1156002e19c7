#include "api_publish.h"

#include "publish.h"

void publish_event(struct gateway *g, const struct job_event *ev)
{
	struct publish_command cmd;

	publish_command(&cmd, ev);
	redisloop_command(g->redis, 0, PUBLISH_ARGC, cmd.argv, NULL, NULL, NULL);
}
