#include "publish.h"

#include <stdio.h>
#include <string.h>

/* ARGV: ttl, max events, then the fields j s k n …; [8] is k's value, [10] is n's (1-based). */
static const char script[] =
	"local v=redis.call('HMGET',KEYS[1],'k','n')\n"
	"local k,n=tonumber(ARGV[8]),tonumber(ARGV[10])\n"
	"local ok,on=tonumber(v[1] or -1),tonumber(v[2] or -1)\n"
	"if k<ok or (k==ok and n<=on) then return 0 end\n"
	"local f={} for i=3,#ARGV do f[#f+1]=ARGV[i] end\n"
	"redis.call('HSET',KEYS[1],unpack(f))\n"
	"redis.call('EXPIRE',KEYS[1],ARGV[1])\n"
	"redis.call('XADD',KEYS[2],'MAXLEN','~',ARGV[2],'*',unpack(f))\n"
	"return 1";

void publish_command(struct publish_command *cmd, const struct job_event *ev)
{
	const char *head[7] = { "EVAL", script, "2", cmd->hash_key, KEY_EVENTS, cmd->ttl_s,
				cmd->max_events };

	key_job(cmd->hash_key, ev->job);
	snprintf(cmd->ttl_s, sizeof(cmd->ttl_s), "%d", KEY_JOB_TTL_S);
	snprintf(cmd->max_events, sizeof(cmd->max_events), "%d", KEY_EVENTS_MAXLEN);
	memcpy(cmd->argv, head, sizeof(head));
	job_event_to_fields(ev, &cmd->numbers, cmd->argv + 7);
}
