#include "settings.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "file.h"
#include "mem.h"
#include "text.h"

#define ENV_PREFIX     "PENSUM_"
#define MAX_FILE_BYTES (256 * 1024)

static char **text_field(const struct setting *row, struct settings *s)
{
	return (char **)(void *)((char *)s + row->offset);
}

static bool is_text(const struct setting *row)
{
	return row->type == SETTING_TEXT || row->type == SETTING_URL ||
	       row->type == SETTING_ADDRESS;
}

static int64_t *int_field(const struct setting *row, struct settings *s)
{
	return (int64_t *)(void *)((char *)s + row->offset);
}

static void allowed_choices(const struct setting *row, struct buf *b)
{
	for (const char *const *c = row->choices; *c != NULL; c++)
		buf_printf(b, "%s%s", c == row->choices ? "" : ", ", *c);
}

static int set_choice(const struct setting *row, struct settings *s, const char *value,
		      struct error *err)
{
	CLEANUP(buf_done) struct buf allowed = BUF_INIT;

	for (int i = 0; row->choices[i] != NULL; i++) {
		if (strcmp(row->choices[i], value) == 0) {
			*int_field(row, s) = i + row->choice_base;
			return 0;
		}
	}
	allowed_choices(row, &allowed);
	return error_set(err, -EINVAL, "%s = \"%s\": allowed are %s", row->key, value,
			 allowed.data);
}

/* As Moodle writes its wwwroot and a browser its origin: paths are put behind it as they are. */
static bool is_url(const char *value)
{
	const char *host = "";

	if (text_starts_with(value, "https://"))
		host = value + 8;
	else if (text_starts_with(value, "http://"))
		host = value + 7;
	return host[0] != '\0' && strchr("/:", host[0]) == NULL && !text_ends_with(host, "/") &&
	       strpbrk(host, " \"<>?#@\\") == NULL;
}

/* "127.0.0.1:8080", "[::1]:8080", ":8080" or "unix:/path". */
static bool is_address(const char *value)
{
	const char *colon = strrchr(value, ':');
	int64_t port;

	if (text_starts_with(value, "unix:"))
		return value[strlen("unix:")] != '\0';
	return colon != NULL && isdigit((unsigned char)colon[1]) &&
	       text_parse_i64(colon + 1, 0, 65535, &port, NULL) == 0;
}

/* libpq's `password = x`, also as sslpassword and in a URI's query, or postgresql://user:x@host. */
static bool has_password(const char *conninfo)
{
	const char *at = conninfo, *host = strstr(conninfo, "://");

	while ((at = strstr(at, "password")) != NULL) {
		at += strlen("password");
		if (at[strspn(at, " ")] == '=')
			return true;
	}
	if (host == NULL)
		return false;
	host += strlen("://");
	at = host + strcspn(host, "@/?");
	return *at == '@' && memchr(host, ':', (size_t)(at - host)) != NULL;
}

static int set_text(const struct setting *row, struct settings *s, const char *value,
		    struct error *err)
{
	char **field = text_field(row, s);

	if (text_has_control(value, strlen(value)) || !text_is_utf8(value, strlen(value)))
		return error_set(err, -EINVAL, "%s: control characters or bad UTF-8 in the value",
				 row->key);
	if (row->type == SETTING_URL && value[0] != '\0' && !is_url(value))
		return error_set(err, -EINVAL,
				 "%s = \"%s\": expected http:// or https:// and a host, without a "
				 "slash at the end",
				 row->key, value);
	if (row->type == SETTING_ADDRESS && !is_address(value))
		return error_set(err, -EINVAL,
				 "%s = \"%s\": expected address:port, with a port up to 65535, or "
				 "unix:/path",
				 row->key, value);
	if (field == &s->postgres_conninfo && has_password(value))
		return error_set(err, -EINVAL,
				 "%s: a password does not belong here: put it into the file "
				 "postgres.password_file",
				 row->key);
	free(*field);
	*field = mem_strdup(value);
	return 0;
}

static int set_value(const struct setting *row, struct settings *s, const char *value,
		     struct error *err)
{
	struct error why;

	switch (row->type) {
	case SETTING_CHOICE:
		return set_choice(row, s, value, err);
	case SETTING_INT:
		if (text_parse_i64(value, row->min, row->max, int_field(row, s), &why) < 0)
			return error_set(err, -EINVAL, "%s = \"%s\": %s (allowed: %lld to %lld)",
					 row->key, value, why.text, (long long)row->min,
					 (long long)row->max);
		return 0;
	case SETTING_TEXT:
	case SETTING_URL:
	case SETTING_ADDRESS:
		return set_text(row, s, value, err);
	}
	return error_set(err, -EINVAL, "%s: unknown type", row->key);
}

static const struct setting *find_row(const char *key)
{
	for (size_t i = 0; i < settings_count; i++)
		if (strcmp(settings_table[i].key, key) == 0)
			return &settings_table[i];
	return NULL;
}

static bool env_name_is(const struct setting *row, const char *name, size_t len)
{
	if (strlen(row->key) != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = row->key[i] == '.' ? '_' : (char)toupper((unsigned char)row->key[i]);

		if (c != name[i])
			return false;
	}
	return true;
}

void settings_init(struct settings *s)
{
	struct error err = { 0 };

	memset(s, 0, sizeof(*s));
	s->site.id = mem_strdup(SITE_DEFAULT_ID);
	for (size_t i = 0; i < settings_count; i++) {
		if (set_value(&settings_table[i], s, settings_table[i].def, &err) < 0) {
			fprintf(stderr, "<2>bad default: %s\n", err.text);
			abort();
		}
	}
}

void settings_done(struct settings *s)
{
	for (size_t i = 0; i < settings_count; i++) {
		char **field;

		if (!is_text(&settings_table[i]))
			continue;
		field = text_field(&settings_table[i], s);
		free(*field);
		*field = NULL;
	}
	free(s->site.id);
	s->site.id = NULL;
	sites_done(s);
}

static char *trim(char *text)
{
	size_t len;

	while (*text == ' ' || *text == '\t')
		text++;
	len = strlen(text);
	while (len > 0 && strchr(" \t\r", text[len - 1]) != NULL)
		text[--len] = '\0';
	return text;
}

/* A file that is being read. */
struct source {
	const char *prefix; /* what it leaves out of its keys */
	int number;	    /* of the line */
	int *stands_in;	    /* the line of each row of the table; 0: none yet */
};

static int load_line(struct settings *s, const struct source *from, char *line, struct error *err)
{
	CLEANUP_FREE char *whole = NULL;
	const struct setting *row;
	char *equals, *key;
	int *stands_in;

	line = trim(line);
	if (line[0] == '\0' || line[0] == '#')
		return 0;
	equals = strchr(line, '=');
	if (equals == NULL)
		return error_set(err, -EINVAL, "expected `key = value`");
	*equals = '\0';
	key = trim(line);
	whole = mem_printf("%s%s", from->prefix, key);
	row = find_row(whole);
	if (row == NULL)
		return error_set(err, -EINVAL,
				 "unknown key \"%s\" (--print-config lists the known ones)", key);
	stands_in = &from->stands_in[row - settings_table];
	if (*stands_in != 0)
		return error_set(err, -EINVAL, "\"%s\" is set in line %d already: which one holds?",
				 key, *stands_in);
	*stands_in = from->number;
	return set_value(row, s, trim(equals + 1), err);
}

static int load_text(struct settings *s, const char *name, const char *prefix, const char *text,
		     struct error *err)
{
	CLEANUP_FREE int *stands_in = mem_zalloc_array(settings_count, sizeof(int));
	CLEANUP_FREE char *copy = mem_strdup(text);
	struct source from = { .prefix = prefix, .number = 1, .stands_in = stands_in };
	char *line = copy;

	for (; line != NULL; from.number++) {
		char *next = strchr(line, '\n');

		if (next != NULL)
			*next++ = '\0';
		if (load_line(s, &from, line, err) < 0)
			return error_prefix(err, "%s:%d", name, from.number);
		line = next;
	}
	return 0;
}

int settings_load_text(struct settings *s, const char *name, const char *text, struct error *err)
{
	return load_text(s, name, "", text, err);
}

int settings_load_site(struct site *ret, const char *id, const char *name, const char *text,
		       struct error *err)
{
	struct settings s;
	int e;

	settings_init(&s);
	e = set_value(find_row("site.name"), &s, "", err);
	if (e == 0)
		e = load_text(&s, name, "site.", text, err);
	if (e == 0 && (s.site.name[0] == '\0' || s.site.url[0] == '\0'))
		e = error_set(err, -EINVAL, "%s: %s is not set", name,
			      s.site.name[0] == '\0' ? "name" : "url");
	if (e == 0) {
		free(s.site.id);
		s.site.id = mem_strdup(id);
		*ret = s.site;
		s.site = (struct site){ 0 };
	}
	settings_done(&s);
	return e;
}

void settings_free_site(struct site *site)
{
	struct settings s = { .site = *site };

	settings_done(&s);
	*site = (struct site){ 0 };
}

int settings_load_env(struct settings *s, char **environ_list, struct error *err)
{
	for (char **e = environ_list; *e != NULL; e++) {
		const char *name = *e + strlen(ENV_PREFIX), *equals;
		const struct setting *row = NULL;

		if (!text_starts_with(*e, ENV_PREFIX) || (equals = strchr(name, '=')) == NULL)
			continue;
		for (size_t i = 0; i < settings_count && row == NULL; i++)
			if (env_name_is(&settings_table[i], name, (size_t)(equals - name)))
				row = &settings_table[i];
		if (row == NULL)
			return error_set(err, -EINVAL,
					 "environment: unknown setting " ENV_PREFIX "%.*s",
					 (int)(equals - name), name);
		if (set_value(row, s, equals + 1, err) < 0)
			return error_prefix(err, "environment: " ENV_PREFIX "%.*s",
					    (int)(equals - name), name);
	}
	return 0;
}

int settings_load(struct settings *s, const char *path, struct error *err)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	const char *from = path ? path : SETTINGS_DEFAULT_PATH;
	struct error why;
	int r = file_read(from, MAX_FILE_BYTES, &text, &why);

	if (r < 0 && !(r == -ENOENT && path == NULL))
		return error_set(err, r, "%s", why.text);
	if (strlen(text.data) != text.len)
		return error_set(err, -EINVAL, "%s: NUL byte in the file", from);
	r = settings_load_text(s, from, text.data, err);
	if (r < 0)
		return r;
	return settings_load_env(s, environ, err);
}

static void print_value(const struct setting *row, const struct settings *s, FILE *out)
{
	const void *field = (const char *)s + row->offset;

	if (is_text(row))
		fputs(*(char *const *)field, out);
	else if (row->type == SETTING_INT)
		fprintf(out, "%lld", (long long)*(const int64_t *)field);
	else
		fputs(row->choices[*(const int64_t *)field - row->choice_base], out);
}

static void describe_allowed(const struct setting *row, struct buf *b)
{
	if (row->type == SETTING_INT)
		buf_printf(b, "%lld to %lld", (long long)row->min, (long long)row->max);
	else if (row->type == SETTING_CHOICE)
		allowed_choices(row, b);
	else
		buf_add_str(b, row->type == SETTING_URL ? "http(s)://host, no slash at the end"
			       : row->type == SETTING_ADDRESS ? "address:port or unix:/path"
							      : "text");
}

void settings_print(const struct settings *s, FILE *out)
{
	for (size_t i = 0; i < settings_count; i++) {
		const struct setting *row = &settings_table[i];
		CLEANUP(buf_done) struct buf allowed = BUF_INIT;

		describe_allowed(row, &allowed);
		fprintf(out, "# %s\n# allowed: %s; default: %s\n%s = ", row->help, allowed.data,
			row->def[0] ? row->def : "(empty)", row->key);
		print_value(row, s, out);
		fputs("\n\n", out);
	}
}

void settings_print_markdown(FILE *out)
{
	fputs("| key | default | allowed | what it is |\n| --- | --- | --- | --- |\n", out);
	for (size_t i = 0; i < settings_count; i++) {
		const struct setting *row = &settings_table[i];
		CLEANUP(buf_done) struct buf allowed = BUF_INIT;

		describe_allowed(row, &allowed);
		fprintf(out, "| `%s` | %s%s%s | %s | %s |\n", row->key, row->def[0] ? "`" : "",
			row->def, row->def[0] ? "`" : "", allowed.data, row->help);
	}
}
