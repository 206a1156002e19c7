#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"
#include "text.h"

#define EXIT_USAGE    2
#define EXIT_SETTINGS 78 /* EX_CONFIG of sysexits.h */

struct common {
	const char *config;
	bool check, print, markdown, version, help;
};

static void print_help(const struct program *p, FILE *out)
{
	fprintf(out,
		"%s - %s\n\n"
		"usage: %s [options]\n"
		"  --config FILE    settings (default " SETTINGS_DEFAULT_PATH ");\n"
		"                   PENSUM_<KEY> in the environment wins over it\n"
		"  --check-config   read the settings and look at what they name, say what is wrong, exit\n"
		"  --print-config   print the settings in force with their help, exit\n"
		"  --print-settings-table  print the table of settings as Markdown, exit\n"
		"  --version        print the version, exit\n"
		"  --help           print this, exit\n",
		p->name, p->summary, p->name);
	for (size_t i = 0; i < p->flag_count; i++)
		fprintf(out, "  %-16s %s\n", p->flags[i].name, p->flags[i].help);
}

static bool set_flag(const struct program *p, const char *arg)
{
	for (size_t i = 0; i < p->flag_count; i++) {
		if (strcmp(arg, p->flags[i].name) == 0) {
			*p->flags[i].value = true;
			return true;
		}
	}
	return false;
}

static int parse(const struct program *p, int argc, char **argv, struct common *c)
{
	const struct option_flag shared[] = {
		{ "--check-config", &c->check, "" },
		{ "--print-config", &c->print, "" },
		{ "--print-settings-table", &c->markdown, "" },
		{ "--version", &c->version, "" },
		{ "--help", &c->help, "" },
	};
	const struct program common = { .flags = shared,
					.flag_count = sizeof(shared) / sizeof(shared[0]) };

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
			c->config = argv[++i];
		} else if (strncmp(argv[i], "--config=", 9) == 0) {
			c->config = argv[i] + 9;
		} else if (strcmp(argv[i], "--config") == 0) {
			fprintf(stderr, "%s: --config needs a file (see --help)\n", p->name);
			return -1;
		} else if (!set_flag(&common, argv[i]) && !set_flag(p, argv[i])) {
			fprintf(stderr, "%s: unknown option %s (see --help)\n", p->name, argv[i]);
			return -1;
		}
	}
	return 0;
}

/* Where the settings came from, for options_reload(). The environment is copied: daemon_prepare()
 * empties it. */
static struct {
	const char *config; /* of argv */
	char **overrides;
} source;

static void remember_source(const struct common *c)
{
	size_t n = 0;

	source.config = c->config;
	for (char **e = environ; *e != NULL; e++)
		n += text_starts_with(*e, "PENSUM_");
	source.overrides = mem_zalloc_array(n + 1, sizeof(char *));
	n = 0;
	for (char **e = environ; *e != NULL; e++)
		if (text_starts_with(*e, "PENSUM_"))
			source.overrides[n++] = mem_strdup(*e);
}

int options_reload(struct settings *ret, struct error *err)
{
	struct settings s;
	int r;

	settings_init(&s);
	r = settings_load(&s, source.config, err);
	if (r == 0)
		r = settings_load_env(&s, source.overrides, err);
	if (r < 0) {
		settings_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}

static int load(const struct program *p, const struct common *c, struct settings *s,
		struct error *err)
{
	int r = settings_load(s, c->config, err);

	if (r == 0 && p->needs_site)
		r = sites_load(s, err);
	if (r == 0 && p->needs_site && sites_count(s) == 0 && !c->print)
		return error_set(err, -EINVAL,
				 "%s: site.url is not set: it is the address of your Moodle, e.g. "
				 "https://moodle.example.edu",
				 c->config != NULL ? c->config : SETTINGS_DEFAULT_PATH);
	if (r == 0 && p->check != NULL && !c->print)
		r = p->check(s, err);
	if (r == 0 && p->check_start != NULL && c->check && !c->print)
		r = p->check_start(s, err);
	return r;
}

int options_start(const struct program *p, int argc, char **argv, struct settings *s)
{
	struct common c = { 0 };
	struct error err = { 0 };
	int done = -1;

	if (parse(p, argc, argv, &c) < 0)
		return EXIT_USAGE;
	if (c.help || c.version) {
		if (c.help)
			print_help(p, stdout);
		else
			printf("%s %s\n", p->name, pensum_version);
		return 0;
	}
	if (c.markdown) {
		settings_print_markdown(stdout);
		return 0;
	}
	settings_init(s);
	if (load(p, &c, s, &err) < 0) {
		fprintf(stderr, "%s%s: %s\n", log_goes_to_journal() ? "<3>" : "", p->name,
			err.text);
		done = EXIT_SETTINGS;
	} else if (c.print) {
		settings_print(s, stdout);
		done = 0;
	} else if (c.check) {
		printf("%s: settings are valid\n", p->name);
		done = 0;
	}
	if (done >= 0)
		settings_done(s);
	else
		remember_source(&c);
	return done;
}

int options_exit_code(int r)
{
	return r == -EINVAL ? EXIT_SETTINGS : EXIT_FAILURE;
}
