/*
 * api_handlers.h - the verbs of the API: one function for each row of routes.c.
 *
 * What each takes and answers stands in openapi.json, the contract. All of them are straight chains
 * of small callbacks; each chain ends in exactly one reply.
 */
#pragma once

#include "http.h"

route_fn api_health;	      /* api_health.c */
route_fn api_site, api_sites; /* api_sites.c */
route_fn api_session_create;  /* api_signin.c */
route_fn api_session_get;     /* api_session.c */
route_fn api_session_delete;  /* api_session.c */
route_fn api_account_delete;  /* api_account.c */
route_fn api_courses_get;     /* api_courses.c */
route_fn api_courses_refresh; /* api_courses.c */
route_fn api_checks_create;   /* api_checks.c */
route_fn api_assignments_get; /* api_checks.c */
route_fn api_calendar_get;    /* api_calendar.c */
route_fn api_calendar_create; /* api_calendar.c */
route_fn api_calendar_delete; /* api_calendar.c */
route_fn api_calendar_read;   /* api_calendar.c */
route_fn api_documents_create; /* api_documents.c */
route_fn api_documents_get;    /* api_document_files.c */
route_fn api_document_file;    /* api_document_files.c */
route_fn api_jobs_get;	       /* api_jobs.c */
route_fn api_job_get;	       /* api_jobs.c */
route_fn api_job_cancel;       /* api_jobs.c */
route_fn api_job_answer;       /* api_answer.c */
route_fn api_metrics;	       /* api_metrics.c */
route_fn api_admin_pool;       /* api_admin.c */
route_fn api_admin_queues;     /* api_admin.c */
route_fn api_admin_dead;       /* api_cleanup.c */
route_fn api_admin_requeue;    /* api_cleanup.c */
route_fn api_admin_cleanup;    /* api_cleanup.c */
route_fn api_admin_redis;      /* api_admin.c */
