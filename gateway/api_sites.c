/* api_sites.c - GET /api/v1/sites and /api/v1/site: which Moodle sites there are to sign in to. */
#include "api_sites.h"

#include "api_handlers.h"
#include "gateway.h"

json_t *api_site_json(const struct site *site)
{
	return json_pack("{s:s, s:s, s:s}", "id", site->id, "name", site->name, "url", site->url);
}

void api_sites(struct gateway *g, struct request *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sites_count(g->settings); i++)
		json_array_append_new(list, api_site_json(sites_at(g->settings, i)));
	reply_json(r, 200, json_pack("{s:o}", "sites", list));
}

void api_site(struct gateway *g, struct request *r)
{
	reply_json(r, 200, api_site_json(sites_at(g->settings, 0)));
}

bool api_site_named(struct gateway *g, struct request *r, const json_t *body,
		    const struct site **ret)
{
	const json_t *member = json_object_get(body, "site");
	const char *id = json_string_value(member);

	if (member == NULL && sites_count(g->settings) > 1) {
		reply_problem(r, 422, "site_needed",
			      "There are several Moodle sites here: name one as \"site\", by an "
			      "id of GET /api/v1/sites.");
		return false;
	}
	*ret = member == NULL ? sites_at(g->settings, 0)
	       : id != NULL   ? sites_find(g->settings, id)
			      : NULL;
	if (*ret == NULL)
		reply_problem(r, 422, "site_unknown", "There is no such Moodle site here.");
	return *ret != NULL;
}
