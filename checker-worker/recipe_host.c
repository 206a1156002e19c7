#include "recipe_host.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "mem.h"
#include "text.h"

#define MAX_NAME 253

/* Names and addresses alike; labels are not empty. */
static bool is_name(const char *name)
{
	size_t len = strlen(name);

	if (strcmp(name, "[::1]") == 0)
		return true;
	if (len == 0 || len > MAX_NAME || strstr(name, "..") != NULL)
		return false;
	if (name[0] == '.' || name[len - 1] == '.')
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == len;
}

static bool is_loopback(const char *name)
{
	struct in_addr address;

	if (strcmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0 ||
	    text_ends_with(name, ".localhost"))
		return true;
	return strncmp(name, "127.", 4) == 0 && inet_pton(AF_INET, name, &address) == 1;
}

static char *make_origin(const char *scheme, const char *name, int64_t port)
{
	if (port == 0 || port == (strcmp(scheme, "https") == 0 ? 443 : 80))
		return mem_printf("%s://%s", scheme, name);
	return mem_printf("%s://%s:%d", scheme, name, (int)port);
}

static void add(json_t *origins, const char *scheme, const char *name, int64_t port)
{
	CLEANUP_FREE char *origin = make_origin(scheme, name, port);

	json_array_append_new(origins, json_string(origin));
}

/* The length of the name in "name:port…"; the colons of […] are its own. */
static size_t name_length(const char *text)
{
	return text[0] == '[' ? strcspn(text, "]") + (strchr(text, ']') != NULL)
			      : strcspn(text, ":/?#");
}

static char *lower(const char *text, size_t len)
{
	char *copy = mem_strndup(text, len);

	for (char *p = copy; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return copy;
}

int recipe_add_host(const char *text, json_t *origins, struct error *err)
{
	size_t len = name_length(text);
	CLEANUP_FREE char *name = lower(text, len);
	int64_t port = 0;

	if (!is_name(name) ||
	    (text[len] != '\0' &&
	     (text[len] != ':' || text_parse_i64(text + len + 1, 1, 65535, &port, NULL) < 0)))
		return error_set(
			err, -EINVAL,
			"\"%s\" is no host; write its exact name, e.g. login.example.edu or "
			"login.example.edu:8443, without https://, path or *",
			text);
	add(origins, "https", name, port);
	if (is_loopback(name))
		add(origins, "http", name, port);
	return 0;
}

char *recipe_origin(const char *url)
{
	const char *host = strstr(url, "://");
	CLEANUP_FREE char *scheme = NULL, *name = NULL;
	int64_t port = 0;
	size_t len;

	if (host == NULL)
		return mem_strdup("");
	scheme = lower(url, (size_t)(host - url));
	host += strlen("://");
	len = name_length(host);
	name = lower(host, len);
	if (host[len] == ':') {
		CLEANUP_FREE char *digits =
			mem_strndup(host + len + 1, strcspn(host + len + 1, "/?#"));

		text_parse_i64(digits, 1, 65535, &port, NULL);
	}
	return make_origin(scheme, name, port);
}
