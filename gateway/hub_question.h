/*
 * hub_question.h - what the hub asks PostgreSQL about one client, which may leave before the
 * answer.
 */
#pragma once

#include "hub_topic.h"

/* Subscribes c to all jobs of its user that have not ended. */
void question_own_jobs(struct hub_client *c);
/* c's sign-in has succeeded, and with it its session became active: signed_in(). */
void question_session(struct hub_client *c);
/* Ends the channels whose session is gone from PostgreSQL: a sign-out that another gateway heard. */
void question_sessions(struct hub *h, struct gateway *g, const struct hub_client_list *clients);
/* c leaves: answers that are still to come mean nothing. */
void questions_forget(struct hub_client *c);
