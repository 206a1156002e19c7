#include "http.h"

#include "api_handlers.h"
#include "live.h"
#include "mem.h"

const struct route routes[] = {
	{ HTTP_GET, "/health", ROUTE_PUBLIC, api_health },
	{ HTTP_GET, "/api/v1/sites", ROUTE_PUBLIC, api_sites },
	{ HTTP_GET, "/api/v1/site", ROUTE_PUBLIC, api_site },

	{ HTTP_POST, "/api/v1/session", ROUTE_PUBLIC, api_session_create },
	{ HTTP_GET, "/api/v1/session", ROUTE_PENDING, api_session_get },
	{ HTTP_DELETE, "/api/v1/session", ROUTE_LEAVING, api_session_delete },
	{ HTTP_DELETE, "/api/v1/account", ROUTE_USER, api_account_delete },

	{ HTTP_GET, "/api/v1/courses", ROUTE_USER, api_courses_get },
	{ HTTP_POST, "/api/v1/courses/refresh", ROUTE_USER, api_courses_refresh },
	{ HTTP_POST, "/api/v1/checks", ROUTE_USER, api_checks_create },
	{ HTTP_GET, "/api/v1/assignments", ROUTE_USER, api_assignments_get },

	{ HTTP_GET, "/api/v1/calendar", ROUTE_USER, api_calendar_get },
	{ HTTP_POST, "/api/v1/calendar", ROUTE_USER, api_calendar_create },
	{ HTTP_DELETE, "/api/v1/calendar", ROUTE_USER, api_calendar_delete },
	{ HTTP_GET, "/calendar/{token}.ics", ROUTE_LINK, api_calendar_read },

	{ HTTP_POST, "/api/v1/documents", ROUTE_USER, api_documents_create },
	{ HTTP_GET, "/api/v1/documents", ROUTE_USER, api_documents_get },
	{ HTTP_GET, "/api/v1/documents/{id}/file", ROUTE_USER, api_document_file },

	{ HTTP_GET, "/api/v1/jobs", ROUTE_PENDING, api_jobs_get },
	{ HTTP_GET, "/api/v1/jobs/{id}", ROUTE_PENDING, api_job_get },
	{ HTTP_DELETE, "/api/v1/jobs/{id}", ROUTE_PENDING, api_job_cancel },
	{ HTTP_POST, "/api/v1/jobs/{id}/answer", ROUTE_PENDING, api_job_answer },
	{ HTTP_GET, "/api/v1/live", ROUTE_PENDING, live_open },

	{ HTTP_GET, "/metrics", ROUTE_ADMIN, api_metrics },
	{ HTTP_GET, "/admin/pool", ROUTE_ADMIN, api_admin_pool },
	{ HTTP_GET, "/admin/queues", ROUTE_ADMIN, api_admin_queues },
	{ HTTP_GET, "/admin/redis", ROUTE_ADMIN, api_admin_redis },
	{ HTTP_GET, "/admin/dead", ROUTE_ADMIN, api_admin_dead },
	{ HTTP_POST, "/admin/jobs/{id}/requeue", ROUTE_ADMIN, api_admin_requeue },
	{ HTTP_POST, "/admin/cleanup", ROUTE_ADMIN, api_admin_cleanup },
};

const size_t route_count = ARRAY_LEN(routes);
