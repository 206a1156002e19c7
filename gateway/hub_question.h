/*
 * hub_question.h - what the hub asks PostgreSQL about one client, which may leave before the
 * answer.
 */
#pragma once

struct hub_client;

/* Subscribes c to all jobs of its user that have not ended. */
void question_own_jobs(struct hub_client *c);
/* c's sign-in has succeeded, and with it its session became active: signed_in(). */
void question_session(struct hub_client *c);
/* c leaves: answers that are still to come mean nothing. */
void questions_forget(struct hub_client *c);
