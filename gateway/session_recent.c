#include "session_recent.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define CELLS 1024

struct cell {
	struct session session; /* an empty token_hash: none */
	int64_t seen_ms;
};

struct session_recent {
	struct cell cells[CELLS];
};

/* The hash is SHA-256 in hex: its first digits are as good as any. */
static size_t place_of(const char *token_hash)
{
	char digits[5];

	memcpy(digits, token_hash, 4);
	digits[4] = '\0';
	return strtoul(digits, NULL, 16) % CELLS;
}

struct session_recent *session_recent_new(void)
{
	return mem_zalloc(sizeof(struct session_recent));
}

void session_recent_free(struct session_recent *t)
{
	if (t != NULL)
		mem_wipe(t, sizeof(*t));
	free(t);
}

bool session_recent_find(const struct session_recent *t, const char *token_hash, int64_t now_ms,
			 struct session *ret)
{
	const struct cell *c = &t->cells[place_of(token_hash)];

	if (now_ms - c->seen_ms >= SESSION_RECENT_MS ||
	    strcmp(c->session.token_hash, token_hash) != 0)
		return false;
	*ret = c->session;
	return true;
}

void session_recent_add(struct session_recent *t, const struct session *s, int64_t now_ms)
{
	t->cells[place_of(s->token_hash)] = (struct cell){ *s, now_ms };
}

void session_recent_remove(struct session_recent *t, const char *token_hash)
{
	struct cell *c = &t->cells[place_of(token_hash)];

	if (strcmp(c->session.token_hash, token_hash) == 0)
		mem_wipe(c, sizeof(*c));
}
