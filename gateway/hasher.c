#include "hasher.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "mem.h"

struct check {
	STAILQ_ENTRY(check) link;
	char user_id[VAULT_USER_ID];
	char verifier[VAULT_VERIFIER_MAX];
	char *password;
	bool ok;
	hasher_fn *fn;
	void *arg;
};
STAILQ_HEAD(check_list, check);

struct hasher {
	const struct vault *vault;
	pthread_t thread;
	bool started, closed;
	int done_fd; /* eventfd: the thread rings it */
	struct event *done_event;

	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t wake;
	bool stop;
	size_t count; /* waiting, running and not yet answered */
	struct check_list waiting;
	struct check_list done;
};

static void wipe_password(struct check *c)
{
	if (c->password == NULL)
		return;
	mem_wipe(c->password, strlen(c->password));
	free(c->password);
	c->password = NULL;
}

static void answer_all(struct check_list *list)
{
	struct check *c;

	while ((c = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, link);
		wipe_password(c);
		c->fn(c->ok, c->arg);
		free(c);
	}
}

static void take_all(struct hasher *h, struct check_list *from, struct check_list *to)
{
	struct check *c;

	pthread_mutex_lock(&h->lock);
	STAILQ_FOREACH(c, from, link)
		h->count--;
	STAILQ_CONCAT(to, from);
	pthread_mutex_unlock(&h->lock);
}

/* The next check, with the lock held; NULL: stop. */
static struct check *next_check(struct hasher *h)
{
	struct check *c;

	while (!h->stop && STAILQ_EMPTY(&h->waiting))
		pthread_cond_wait(&h->wake, &h->lock);
	if (h->stop)
		return NULL;
	c = STAILQ_FIRST(&h->waiting);
	STAILQ_REMOVE_HEAD(&h->waiting, link);
	return c;
}

static void *run_thread(void *arg)
{
	const uint64_t one = 1;
	struct hasher *h = arg;
	struct check *c;

	pthread_mutex_lock(&h->lock);
	while ((c = next_check(h)) != NULL) {
		pthread_mutex_unlock(&h->lock);
		c->ok = vault_check_verifier(h->vault, c->user_id, c->password, c->verifier);
		wipe_password(c);
		pthread_mutex_lock(&h->lock);
		STAILQ_INSERT_TAIL(&h->done, c, link);
		(void)!write(h->done_fd, &one, sizeof(one));
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

static void on_done(evutil_socket_t fd, short what, void *arg)
{
	struct check_list list = STAILQ_HEAD_INITIALIZER(list);
	struct hasher *h = arg;
	uint64_t count;

	(void)what;
	(void)!read((int)fd, &count, sizeof(count));
	take_all(h, &h->done, &list);
	answer_all(&list);
}

/* Signals are the loop's. */
static int start_thread(struct hasher *h)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&h->thread, NULL, run_thread, h);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	h->started = r == 0;
	return -r;
}

int hasher_new(struct event_base *base, const struct vault *vault, struct hasher **ret,
	       struct error *err)
{
	struct hasher *h = mem_zalloc(sizeof(*h));
	int r;

	h->vault = vault;
	STAILQ_INIT(&h->waiting);
	STAILQ_INIT(&h->done);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->wake, NULL);
	h->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r = h->done_fd < 0 ? -errno : start_thread(h);
	if (r < 0) {
		hasher_free(h);
		return error_set(err, r, "hasher: %s", strerror(-r));
	}
	h->done_event = event_new(base, h->done_fd, EV_READ | EV_PERSIST, on_done, h);
	event_add(h->done_event, NULL);
	*ret = h;
	return 0;
}

int hasher_check(struct hasher *h, const char *user_id, const char *password, const char *verifier,
		 hasher_fn *fn, void *arg, struct error *err)
{
	struct check *c;
	bool full;

	if (h->closed)
		return error_set(err, -ESHUTDOWN, "hasher: closed");
	if (strlen(user_id) >= sizeof(c->user_id) || strlen(verifier) >= sizeof(c->verifier))
		return error_set(err, -EINVAL, "hasher: user id or verifier is too long");
	pthread_mutex_lock(&h->lock);
	full = h->count >= HASHER_QUEUE_MAX;
	h->count += !full;
	pthread_mutex_unlock(&h->lock);
	if (full)
		return error_set(err, -EAGAIN, "hasher: %d passwords wait", HASHER_QUEUE_MAX);
	c = mem_zalloc(sizeof(*c));
	strcpy(c->user_id, user_id);
	strcpy(c->verifier, verifier);
	c->password = mem_strdup(password);
	c->fn = fn;
	c->arg = arg;
	pthread_mutex_lock(&h->lock);
	STAILQ_INSERT_TAIL(&h->waiting, c, link);
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
	return 0;
}

static void stop_thread(struct hasher *h)
{
	if (!h->started)
		return;
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
	h->started = false;
}

void hasher_close(struct hasher *h)
{
	struct check_list list = STAILQ_HEAD_INITIALIZER(list);

	h->closed = true;
	stop_thread(h);
	take_all(h, &h->done, &list);
	take_all(h, &h->waiting, &list);
	answer_all(&list);
}

void hasher_free(struct hasher *h)
{
	if (h == NULL)
		return;
	hasher_close(h);
	if (h->done_event != NULL)
		event_free(h->done_event);
	if (h->done_fd >= 0)
		close(h->done_fd);
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->wake);
	free(h);
}
