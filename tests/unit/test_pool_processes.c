/* What the pool sees of its browsers in /proc, with processes that only pretend to be Chromium's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../browser-pool/processes.h"
#include "clock.h"
#include "mem.h"

#define MAX_CHILDREN 16
#define PATIENCE_MS  10000
#define LEAVE	     "leave" /* the group; any other order is a new name */

struct fixture {
	struct processes *processes;
	pid_t children[MAX_CHILDREN];
	unsigned count;
	int go[2]; /* what a child waits for that becomes something else */
};

static int set_up(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));

	f->processes = processes_new();
	assert_int_equal(pipe2(f->go, O_CLOEXEC), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < f->count; i++)
		if (f->children[i] > 0) {
			kill(f->children[i], SIGKILL);
			waitpid(f->children[i], NULL, 0);
		}
	processes_free(f->processes);
	close(f->go[0]);
	close(f->go[1]);
	free(f);
	return 0;
}

static _Noreturn void become(const char *name)
{
	execl("/bin/sleep", name, "60", (char *)NULL);
	_exit(127);
}

/* In the group of leader, or leading one of its own. With an order it is this program again, which
 * waits for a byte and then obeys: see obey(). */
static pid_t start(struct fixture *f, pid_t leader, const char *name, const char *order)
{
	int up[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(up, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setpgid(0, leader);
		if (order == NULL)
			become(name); /* closes up */
		dup2(f->go[0], 0);
		execl("/proc/self/exe", name, order, (char *)NULL);
		_exit(127);
	}
	close(up[1]);
	assert_int_equal(read(up[0], &byte, 1), 0);
	close(up[0]);
	f->children[f->count++] = pid;
	return pid;
}

static void end(struct fixture *f, pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (unsigned i = 0; i < f->count; i++)
		if (f->children[i] == pid)
			f->children[i] = 0;
}

static void order(const struct fixture *f)
{
	assert_int_equal(write(f->go[1], "\n", 1), 1);
}

/* What somebody waits for who was started with an order. */
static int obey(const char *order)
{
	char byte;

	if (read(0, &byte, 1) != 1)
		return 1;
	if (strcmp(order, LEAVE) != 0)
		become(order);
	setpgid(0, 0);
	pause();
	return 0;
}

#define REFRESH_UNTIL(f, condition)                                                                \
	do {                                                                                       \
		int64_t limit = clock_now_ms() + PATIENCE_MS;                                      \
                                                                                                   \
		do {                                                                               \
			clock_sleep_ms(2);                                                         \
			processes_refresh((f)->processes, 0);                                      \
		} while (!(condition) && clock_now_ms() < limit);                                  \
		assert_true(condition);                                                            \
	} while (0)

static unsigned count_of(const struct fixture *f, pid_t leader)
{
	const struct process *m = NULL;
	unsigned n = 0;

	while ((m = processes_next(f->processes, leader, m)) != NULL)
		n++;
	return n;
}

static enum process_type type_of(const struct fixture *f, pid_t pid)
{
	const struct process *m = processes_find(f->processes, pid);

	assert_non_null(m);
	return m->type;
}

static void the_members_of_each_group_are_told_with_their_types(void **state)
{
	static const struct {
		const char *line;
		enum process_type type;
	} kinds[] = {
		{ "chrome --type=renderer --lang=en", PROCESS_RENDERER },
		{ "chrome --type=zygote", PROCESS_ZYGOTE },
		{ "chrome --type=gpu-process", PROCESS_GPU },
		{ "chrome --type=utility --utility-sub-type=network.mojom.NetworkService",
		  PROCESS_NETWORK },
		{ "chrome --type=utility --utility-sub-type=storage.mojom.StorageService",
		  PROCESS_UTILITY },
		{ "chrome --type=renderers", PROCESS_OTHER },
		{ "chrome", PROCESS_OTHER },
	};
	struct fixture *f = *state;
	pid_t pids[ARRAY_LEN(kinds)], leader = start(f, 0, "chrome --headless", NULL);
	pid_t other = start(f, 0, "chrome --headless", NULL);
	pid_t stranger = start(f, 0, "chrome --type=renderer", NULL);

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		pids[i] = start(f, leader, kinds[i].line, NULL);
	processes_add_group(f->processes, leader);
	processes_add_group(f->processes, other);
	processes_refresh(f->processes, 0);
	assert_int_equal(count_of(f, leader), ARRAY_LEN(kinds) + 1);
	assert_int_equal(count_of(f, other), 1);
	assert_null(processes_find(f->processes, stranger));
	assert_int_equal(type_of(f, leader), PROCESS_BROWSER);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		assert_int_equal(type_of(f, pids[i]), kinds[i].type);
	processes_remove_group(f->processes, leader);
	processes_refresh(f->processes, 0);
	assert_int_equal(count_of(f, leader), 0);
	assert_int_equal(count_of(f, other), 1);
}

static void a_copy_of_the_zygote_becomes_a_page_s_process(void **state)
{
	struct fixture *f = *state;
	pid_t leader = start(f, 0, "chrome", NULL);
	pid_t zygote = start(f, leader, "chrome --type=zygote", NULL);
	pid_t copy = start(f, leader, "chrome --type=zygote", "chrome --type=renderer");

	processes_add_group(f->processes, leader);
	processes_refresh(f->processes, 0);
	assert_int_equal(type_of(f, copy), PROCESS_ZYGOTE);
	order(f);
	REFRESH_UNTIL(f, type_of(f, copy) == PROCESS_RENDERER);
	assert_int_equal(type_of(f, zygote), PROCESS_ZYGOTE);
}

static void what_comes_stops_dies_and_is_reaped_shows(void **state)
{
	struct fixture *f = *state;
	pid_t leader = start(f, 0, "chrome", NULL), page;

	processes_add_group(f->processes, leader);
	processes_refresh(f->processes, 0);
	assert_int_equal(count_of(f, leader), 1);
	page = start(f, leader, "chrome --type=renderer", NULL);
	processes_refresh(f->processes, 0);
	assert_int_equal(count_of(f, leader), 2);

	kill(page, SIGSTOP);
	assert_int_equal(waitpid(page, NULL, WUNTRACED), page);
	assert_int_equal(processes_find(f->processes, page)->state != 'T', true);
	assert_int_equal(processes_look(f->processes, page)->state, 'T');
	processes_refresh(f->processes, 0);
	assert_int_equal(processes_find(f->processes, page)->state, 'T');

	kill(page, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)page, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	processes_refresh(f->processes, 0);
	assert_int_equal(processes_find(f->processes, page)->state, 'Z');
	assert_int_equal(type_of(f, page), PROCESS_RENDERER);

	end(f, page);
	assert_null(processes_look(f->processes, page));
	processes_refresh(f->processes, 0);
	assert_null(processes_find(f->processes, page));
	assert_int_equal(count_of(f, leader), 1);
}

static void who_leaves_the_group_is_no_member_any_more(void **state)
{
	struct fixture *f = *state;
	pid_t leader = start(f, 0, "chrome", NULL);
	pid_t handler = start(f, leader, "chrome_crashpad_handler", LEAVE);

	processes_add_group(f->processes, leader);
	processes_refresh(f->processes, 0);
	assert_int_equal(count_of(f, leader), 2);
	order(f);
	REFRESH_UNTIL(f, processes_find(f->processes, handler) == NULL);
	assert_int_equal(count_of(f, leader), 1);
}

static void a_young_answer_is_not_asked_for_again(void **state)
{
	struct fixture *f = *state;
	pid_t leader = start(f, 0, "chrome", NULL);

	processes_add_group(f->processes, leader);
	processes_refresh(f->processes, 60000);
	assert_int_equal(count_of(f, leader), 1);
	start(f, leader, "chrome --type=renderer", NULL);
	processes_refresh(f->processes, 60000);
	assert_int_equal(count_of(f, leader), 1);
	processes_refresh(f->processes, 0);
	assert_int_equal(count_of(f, leader), 2);
}

static void memory_is_read_of_living_processes_only(void **state)
{
	struct fixture *f = *state;
	struct process_memory before, after;
	int64_t pss_before, pss_after;
	size_t bytes = 32 << 20;
	char *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t dead = start(f, 0, "chrome", NULL);

	end(f, dead);
	assert_int_equal(process_read_memory(getpid(), &before), 0);
	assert_int_equal(process_read_pss(getpid(), &pss_before), 0);
	memset(block, 1, bytes);
	assert_int_equal(process_read_memory(getpid(), &after), 0);
	assert_int_equal(process_read_pss(getpid(), &pss_after), 0);
	assert_in_range(after.own_bytes - before.own_bytes, bytes / 2, bytes * 2);
	assert_in_range(pss_after - pss_before, bytes / 2, bytes * 2);
	munmap(block, bytes);
	block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(block, 1, bytes);
	assert_int_equal(process_read_memory(getpid(), &before), 0);
	assert_in_range(before.shared_bytes - after.shared_bytes, bytes, bytes * 2);
	munmap(block, bytes);
	assert_int_equal(process_read_memory(dead, &after), -ESRCH);
	assert_int_equal(process_read_pss(dead, &pss_after), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(the_members_of_each_group_are_told_with_their_types),
		TEST(a_copy_of_the_zygote_becomes_a_page_s_process),
		TEST(what_comes_stops_dies_and_is_reaped_shows),
		TEST(who_leaves_the_group_is_no_member_any_more),
		TEST(a_young_answer_is_not_asked_for_again),
		TEST(memory_is_read_of_living_processes_only),
	};

	if (argc == 2)
		return obey(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
