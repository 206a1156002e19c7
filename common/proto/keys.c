#include "keys.h"

#include <stdio.h>

void key_job_stream(char out[KEY_SIZE], enum job_queue queue, enum job_priority priority)
{
	snprintf(out, KEY_SIZE, "pensum:jobs:%s:%s", job_queue_name(queue),
		 job_priority_name(priority));
}

void key_job(char out[KEY_SIZE], const char *job_id)
{
	snprintf(out, KEY_SIZE, "pensum:job:%s", job_id);
}

void key_session(char out[KEY_SIZE], const char *token_hash)
{
	snprintf(out, KEY_SIZE, "pensum:session:%s", token_hash);
}

void key_moodle(char out[KEY_SIZE], const char *user_id)
{
	snprintf(out, KEY_SIZE, "pensum:moodle:%s", user_id);
}

void key_courses(char out[KEY_SIZE], const char *user_id)
{
	snprintf(out, KEY_SIZE, "pensum:courses:%s", user_id);
}

void key_signin(char out[KEY_SIZE], const char *user_id)
{
	snprintf(out, KEY_SIZE, "pensum:signin:%s", user_id);
}

void key_lock(char out[KEY_SIZE], const char *name)
{
	snprintf(out, KEY_SIZE, "pensum:lock:%s", name);
}

void key_limit(char out[KEY_SIZE], const char *kind, const char *who)
{
	snprintf(out, KEY_SIZE, "pensum:limit:%s:%s", kind, who);
}

void key_pause(char out[KEY_SIZE], const char *site)
{
	snprintf(out, KEY_SIZE, "pensum:pause:%s", site);
}

void key_pace(char out[KEY_SIZE], const char *site)
{
	snprintf(out, KEY_SIZE, "pensum:pace:%s", site);
}

void key_no_service(char out[KEY_SIZE], const char *site)
{
	snprintf(out, KEY_SIZE, "pensum:noservice:%s", site);
}
