#include "zygotes.h"

#include <stddef.h>

#include "mem.h"
#include "processes.h"

static bool is_alive(const struct zygote *z, const struct processes *all)
{
	const struct process *p = processes_find(all, z->pid);

	return p != NULL && p->start_ticks == z->start_ticks && p->type == PROCESS_ZYGOTE &&
	       p->state != 'Z';
}

static struct zygote *find(struct zygotes *z, pid_t pid)
{
	for (size_t i = 0; i < ARRAY_LEN(z->all); i++)
		if (z->all[i].pid == pid)
			return &z->all[i];
	return NULL;
}

static void add(struct zygotes *z, const struct process *p)
{
	struct zygote *free_one = find(z, 0);

	if (p->type == PROCESS_ZYGOTE && p->state != 'Z' && find(z, p->pid) == NULL &&
	    free_one != NULL)
		*free_one = (struct zygote){ .pid = p->pid, .start_ticks = p->start_ticks };
}

bool zygotes_look(struct zygotes *z, const struct processes *all, pid_t leader)
{
	const struct process *p = NULL;
	bool lost = false;

	for (size_t i = 0; i < ARRAY_LEN(z->all); i++) {
		struct zygote *one = &z->all[i];

		if (one->pid != 0 && is_alive(one, all)) {
			one->known = true;
		} else {
			lost |= one->known;
			*one = (struct zygote){ 0 };
		}
	}
	while ((p = processes_next(all, leader, p)) != NULL)
		add(z, p);
	return lost;
}
