/* The pool's queue: whose turn it is, on a clock of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <event2/event.h>

#include "../../browser-pool/pool_lease.h"
#include "../../browser-pool/tenant.h"
#include "../../browser-pool/waiting.h"
#include "mem.h"
#include "settings.h"

#define MAX_LEASES 2048

static int64_t now_ms;

int64_t __wrap_clock_now_ms(void);
int64_t __wrap_clock_now_ms(void)
{
	return now_ms;
}

void pool_lease_tell_position(struct pool_lease *l, unsigned position)
{
	l->position = position;
}

struct fixture {
	struct event_base *base;
	struct settings settings;
	struct tenants *tenants;
	struct waiting *queue;
	struct pool_lease leases[MAX_LEASES];
	unsigned count;
};

static int set_up(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));

	now_ms = 1000000;
	settings_init(&f->settings);
	f->base = event_base_new();
	f->tenants = tenants_new();
	f->queue = waiting_new(f->base, &f->settings);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	struct pool_lease *l;

	while ((l = waiting_oldest(f->queue)) != NULL)
		waiting_remove(f->queue, l);
	for (unsigned i = 0; i < f->count; i++)
		tenant_put(f->leases[i].tenant);
	waiting_free(f->queue);
	tenants_free(f->tenants);
	event_base_free(f->base);
	settings_done(&f->settings);
	free(f);
	return 0;
}

static struct pool_lease *add(struct fixture *f, const char *tenant, enum pool_class cls)
{
	struct pool_lease *l = &f->leases[f->count++];

	l->id = f->count;
	l->request.cls = cls;
	l->tenant = tenants_get(f->tenants, tenant);
	waiting_add(f->queue, l);
	return l;
}

/* A page comes free: who gets it? */
static struct pool_lease *lend(struct fixture *f)
{
	struct pool_lease *l = waiting_first(f->queue);

	if (l != NULL)
		waiting_lend(f->queue, l);
	return l;
}

static void test_equal_requests_go_in_order_of_arrival(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = { "A", "B", "C", "D" };

	for (int i = 0; i < 4; i++, now_ms++)
		add(f, names[i], POOL_CHECK);
	for (int i = 0; i < 4; i++)
		assert_string_equal(lend(f)->tenant->name, names[i]);
	assert_null(lend(f));
}

static void test_tenants_take_turns(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++)
		add(f, "A", POOL_CHECK);
	add(f, "B", POOL_CHECK);
	add(f, "B", POOL_CHECK);
	add(f, "C", POOL_CHECK);
	for (const char *name = "ABCABA"; *name != '\0'; name++)
		assert_int_equal(lend(f)->tenant->name[0], *name);
}

static void test_a_flood_does_not_grow_old(void **state)
{
	struct fixture *f = *state;
	struct pool_lease *other;

	for (int i = 0; i < 500; i++)
		add(f, "A", POOL_CHECK);
	for (int i = 0; i < 10; i++) {
		now_ms += 10000;
		lend(f);
	}
	now_ms += 1000;
	other = add(f, "B", POOL_INTERACTIVE);
	assert_ptr_equal(lend(f), other);
}

static void test_a_document_is_overtaken_for_ten_seconds_only(void **state)
{
	struct fixture *f = *state;
	struct pool_lease *document = add(f, "A", POOL_DOCUMENT);

	for (int s = 1; s <= 9; s++) {
		now_ms += 1000;
		add(f, "B", POOL_INTERACTIVE);
		assert_int_equal(lend(f)->request.cls, POOL_INTERACTIVE);
	}
	now_ms += 2000;
	add(f, "B", POOL_INTERACTIVE);
	assert_ptr_equal(lend(f), document);
}

static void test_a_tenant_at_its_cap_waits_outside_the_turns(void **state)
{
	struct fixture *f = *state;
	struct pool_lease *first, *second, *other;

	f->settings.pool_client_max_pages = 1;
	first = add(f, "A", POOL_CHECK);
	second = add(f, "A", POOL_INTERACTIVE);
	assert_ptr_equal(lend(f), second);
	assert_int_equal(waiting_count_ready(f->queue), 0);
	assert_null(lend(f));
	other = add(f, "B", POOL_DOCUMENT);
	assert_ptr_equal(lend(f), other);
	waiting_give_back(f->queue, second);
	assert_int_equal(waiting_count_ready(f->queue), 1);
	assert_ptr_equal(lend(f), first);

	add(f, "A", POOL_CHECK);
	assert_null(waiting_first(f->queue));
	f->settings.pool_client_max_pages = 0;
	waiting_note_limits(f->queue);
	assert_non_null(lend(f));
}

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 16;
}

/* The order that is told is the one in which pages are lent when nobody comes or goes. */
static void test_the_order_told_is_the_order_lent(void **state)
{
	struct fixture *f = *state;
	unsigned seed = 7;

	for (int i = 0; i < 1000; i++) {
		char name[8];

		snprintf(name, sizeof(name), "T%u", next_random(&seed) % 40);
		add(f, name, (enum pool_class)(next_random(&seed) % POOL_CLASS_COUNT));
		now_ms += next_random(&seed) % 50;
		if (i % 3 == 0)
			lend(f);
		if (i % 7 == 0 && waiting_count(f->queue) > 1)
			waiting_remove(f->queue, waiting_oldest(f->queue));
	}
	CLEANUP_FREE struct pool_lease **order = waiting_in_order(f->queue);
	unsigned n = waiting_count(f->queue);

	assert_true(n > 400);
	assert_int_equal(waiting_count_ready(f->queue), n);
	for (unsigned i = 0; i < n; i++)
		assert_ptr_equal(lend(f), order[i]);
	assert_int_equal(waiting_count(f->queue), 0);
	assert_int_equal(waiting_count_ready(f->queue), 0);
}

static void test_places_are_told_from_the_loop(void **state)
{
	struct fixture *f = *state;
	struct pool_lease *check = add(f, "A", POOL_CHECK);
	struct pool_lease *interactive = add(f, "B", POOL_INTERACTIVE);

	assert_int_equal(check->position, 0);
	event_base_loop(f->base, EVLOOP_ONCE);
	assert_int_equal(interactive->position, 1);
	assert_int_equal(check->position, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define IN_A_QUEUE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
		IN_A_QUEUE(test_equal_requests_go_in_order_of_arrival),
		IN_A_QUEUE(test_tenants_take_turns),
		IN_A_QUEUE(test_a_flood_does_not_grow_old),
		IN_A_QUEUE(test_a_document_is_overtaken_for_ten_seconds_only),
		IN_A_QUEUE(test_a_tenant_at_its_cap_waits_outside_the_turns),
		IN_A_QUEUE(test_the_order_told_is_the_order_lent),
		IN_A_QUEUE(test_places_are_told_from_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
