#include "sites.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "buf.h"
#include "file.h"
#include "mem.h"
#include "settings.h"
#include "text.h"

#define SUFFIX	       ".conf"
#define MAX_FILE_BYTES (64 * 1024)

bool site_id_is_valid(const char *id)
{
	size_t len = strlen(id);

	return len > 0 && len < SITE_ID_SIZE &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static bool has_default(const struct settings *s)
{
	return s->site.url[0] != '\0';
}

size_t sites_count(const struct settings *s)
{
	return s->more_site_count + has_default(s);
}

const struct site *sites_at(const struct settings *s, size_t i)
{
	if (!has_default(s))
		return &s->more_sites[i];
	return i == 0 ? &s->site : &s->more_sites[i - 1];
}

const struct site *sites_find(const struct settings *s, const char *id)
{
	for (size_t i = 0; i < sites_count(s); i++)
		if (strcmp(sites_at(s, i)->id, id) == 0)
			return sites_at(s, i);
	return NULL;
}

void sites_done(struct settings *s)
{
	for (size_t i = 0; i < s->more_site_count; i++)
		settings_free_site(&s->more_sites[i]);
	free(s->more_sites);
	s->more_sites = NULL;
	s->more_site_count = 0;
}

/* Other files of the folder (an editor's, a package manager's) are none of ours. */
static int is_site_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && text_ends_with(entry->d_name, SUFFIX);
}

/* Two ids for one place would be two doors to the same students; one name for two, a trap. */
static int check_unlike(const struct settings *s, const struct site *site, struct error *err)
{
	for (size_t i = 0; i < sites_count(s); i++) {
		const struct site *other = sites_at(s, i);

		if (strcasecmp(other->url, site->url) == 0)
			return error_set(err, -EINVAL, "url = \"%s\": site \"%s\" has the same",
					 site->url, other->id);
		if (strcmp(other->name, site->name) == 0)
			return error_set(err, -EINVAL, "name = \"%s\": site \"%s\" has the same",
					 site->name, other->id);
	}
	return 0;
}

static int load_file(struct settings *s, const char *path, const char *id, struct error *err)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	struct site site = { 0 };
	struct error why;
	int e;

	if (!site_id_is_valid(id) || strcmp(id, SITE_DEFAULT_ID) == 0)
		return error_set(err, -EINVAL,
				 "%s: a site's id has 1 to 32 of a-z, 0-9 and -, and is not \"%s\"",
				 path, SITE_DEFAULT_ID);
	e = file_read(path, MAX_FILE_BYTES, &text, &why);
	if (e < 0)
		return error_set(err, e, "%s", why.text);
	if (strlen(text.data) != text.len)
		return error_set(err, -EINVAL, "%s: NUL byte in the file", path);
	e = settings_load_site(&site, id, path, text.data, err);
	if (e < 0)
		return e;
	e = check_unlike(s, &site, err);
	if (e < 0) {
		settings_free_site(&site);
		return error_prefix(err, "%s", path);
	}
	s->more_sites = mem_realloc(s->more_sites, (s->more_site_count + 1) * sizeof(site));
	s->more_sites[s->more_site_count++] = site;
	return 0;
}

static int load_files(struct settings *s, struct dirent **files, int count, struct error *err)
{
	int e = 0;

	for (int i = 0; i < count && e == 0; i++) {
		CLEANUP_FREE char *path = mem_printf("%s/%s", s->sites_dir, files[i]->d_name);
		CLEANUP_FREE char *id =
			mem_strndup(files[i]->d_name, strlen(files[i]->d_name) - strlen(SUFFIX));

		e = load_file(s, path, id, err);
	}
	return e;
}

int sites_load(struct settings *s, struct error *err)
{
	struct dirent **files = NULL;
	int e, count;

	if (s->sites_dir[0] == '\0')
		return 0;
	count = scandir(s->sites_dir, &files, is_site_file, alphasort);
	if (count < 0 && errno == ENOENT && strcmp(s->sites_dir, SITES_DEFAULT_DIR) == 0)
		return 0;
	if (count < 0)
		return error_set(err, -errno, "sites.dir = \"%s\": %s", s->sites_dir,
				 strerror(errno));
	if (count > SITES_MAX)
		e = error_set(err, -E2BIG, "sites.dir = \"%s\": %d files, allowed are %d",
			      s->sites_dir, count, SITES_MAX);
	else
		e = load_files(s, files, count, err);
	for (int i = 0; i < count; i++)
		free(files[i]);
	free(files);
	return e;
}
