/* What the kernel says about memory, and what it might say. */
#include "../../browser-pool/sysmem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "file.h"
#include "mem.h"

#define MIB (INT64_C(1) << 20)

static const char meminfo[] = "MemTotal:        2097152 kB\n"
			      "MemFree:          102400 kB\n"
			      "MemAvailable:    1048576 kB\n"
			      "Buffers:               0 kB\n"
			      "HugePages_Total:       3\n";

/* A machine of files. */
static char root[64];

static void put(const char *path, const char *text)
{
	CLEANUP_FREE char *full = mem_printf("%s/%s", root, path);
	CLEANUP_FREE char *folder = mem_strdup(full);

	*strrchr(folder, '/') = '\0';
	assert_int_equal(file_mkdirs(folder, 0700, NULL), 0);
	assert_int_equal(file_write_atomic(full, text, strlen(text), 0600, NULL), 0);
}

static int read_machine(struct sysmem *ret)
{
	CLEANUP_FREE char *proc = mem_printf("%s/proc", root);
	CLEANUP_FREE char *cgroup = mem_printf("%s/cgroup", root);
	struct sysmem_paths paths = { proc, cgroup };
	struct error err = { 0 };
	int r = sysmem_read(&paths, ret, &err);

	if (r < 0)
		assert_true(strlen(err.text) > 0);
	return r;
}

static int set_up(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/pensum-sysmem-XXXXXX");
	assert_non_null(mkdtemp(root));
	put("proc/meminfo", meminfo);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return file_remove_tree(root, NULL);
}

static void meminfo_is_read_in_bytes(void **state)
{
	(void)state;
	assert_int_equal(sysmem_parse_meminfo(meminfo, "MemTotal"), 2048 * MIB);
	assert_int_equal(sysmem_parse_meminfo(meminfo, "MemAvailable"), 1024 * MIB);
	assert_int_equal(sysmem_parse_meminfo(meminfo, "Buffers"), 0);
}

static void a_meminfo_that_makes_no_sense_is_not_believed(void **state)
{
	static const char *const bad[] = {
		"",
		"MemAvailable",
		"MemAvailable:",
		"MemAvailable:\n",
		"MemAvailable: kB\n",
		"MemAvailable: -5 kB\n",
		"MemAvailable: 5\n",
		"MemAvailable: 5 MB\n",
		"MemAvailable: 5x kB\n",
		"MemAvailable: 0x5 kB\n",
		"MemAvailable: 99999999999999999999 kB\n",
		"MemAvailable: 9223372036854775807 kB\n",
		"XMemAvailable: 5 kB\n",
		"MemAvailableX: 5 kB\n",
		"MemTotal: 5 kB MemAvailable: 5 kB\n",
		"MemAvailable: 5\n kB\n",
		"MemAvailable: 5 kB",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (sysmem_parse_meminfo(bad[i], "MemAvailable") != -1)
			fail_msg("believed: %s", bad[i]);
	assert_int_equal(sysmem_parse_meminfo("HugePages_Total: 3\n", "HugePages_Total"), -1);
}

static void a_control_groups_numbers_are_bytes_or_max(void **state)
{
	(void)state;
	assert_int_equal(sysmem_parse_bytes("max\n"), INT64_MAX);
	assert_int_equal(sysmem_parse_bytes("0\n"), 0);
	assert_int_equal(sysmem_parse_bytes("1073741824\n"), 1024 * MIB);
	assert_int_equal(sysmem_parse_bytes(""), -1);
	assert_int_equal(sysmem_parse_bytes("maximum\n"), -1);
	assert_int_equal(sysmem_parse_bytes("-1\n"), -1);
	assert_int_equal(sysmem_parse_bytes("12 34\n"), -1);
	assert_int_equal(sysmem_parse_bytes("99999999999999999999\n"), -1);
	assert_int_equal(sysmem_parse_stat("anon 5\nfile 7\ninactive_file 3\n", "inactive_file"),
			 3);
	assert_int_equal(sysmem_parse_stat("anon 5\nfile 7\n", "inactive_file"), -1);
	assert_int_equal(sysmem_parse_stat("file_mapped 1\nfile 7\n", "file"), 7);
	assert_int_equal(sysmem_parse_stat("file x\n", "file"), -1);
}

static void pressure_is_the_share_of_ten_seconds_in_which_some_waited(void **state)
{
	(void)state;
	assert_float_equal(
		sysmem_parse_pressure("some avg10=12.34 avg60=1.00 avg300=0.10 total=9\n"
				      "full avg10=50.00 avg60=0.00 avg300=0.00 total=0\n"),
		12.34, 0.001);
	assert_float_equal(sysmem_parse_pressure("some avg10=0.00 avg60=0.00\n"), 0, 0.001);
	assert_float_equal(sysmem_parse_pressure("full avg10=50.00 avg60=0.00\n"), -1, 0.001);
	assert_float_equal(sysmem_parse_pressure("some avg10=nan avg60\n"), -1, 0.001);
	assert_float_equal(sysmem_parse_pressure("some avg10=-1 avg60\n"), -1, 0.001);
	assert_float_equal(sysmem_parse_pressure("some avg10=101.00 avg60\n"), -1, 0.001);
	assert_float_equal(sysmem_parse_pressure("some avg10=1.5"), -1, 0.001);
	assert_float_equal(sysmem_parse_pressure(""), -1, 0.001);
}

static void our_group_is_the_one_of_cgroup_v2(void **state)
{
	CLEANUP_FREE char *deep = sysmem_parse_cgroup("1:cpu:/x\n0::/system.slice/p.service\n");
	CLEANUP_FREE char *top = sysmem_parse_cgroup("0::/\n");
	CLEANUP_FREE char *none = sysmem_parse_cgroup("1:cpu:/x\n10::/y\n");
	CLEANUP_FREE char *outside = sysmem_parse_cgroup("0::/../other\n");
	CLEANUP_FREE char *empty = sysmem_parse_cgroup("0::\n");

	(void)state;
	assert_string_equal(deep, "/system.slice/p.service");
	assert_string_equal(top, "");
	assert_null(none);
	assert_null(outside);
	assert_null(empty);
}

static void without_control_groups_the_machine_counts(void **state)
{
	struct sysmem m;

	(void)state;
	assert_int_equal(read_machine(&m), 0);
	assert_int_equal(m.total_bytes, 2048 * MIB);
	assert_int_equal(m.available_bytes, 1024 * MIB);
	assert_float_equal(m.pressure, 0, 0.001);
	put("proc/pressure/memory", "some avg10=7.50 avg60=1.00 avg300=0.10 total=9\n");
	assert_int_equal(read_machine(&m), 0);
	assert_float_equal(m.pressure, 7.5, 0.001);
}

static void without_meminfo_there_is_no_answer(void **state)
{
	struct sysmem m;

	(void)state;
	put("proc/meminfo", "");
	assert_int_equal(read_machine(&m), -EBADMSG);
	put("proc/meminfo", "MemTotal: 0 kB\nMemAvailable: 0 kB\n");
	assert_int_equal(read_machine(&m), -EBADMSG);
	tear_down(NULL);
	assert_int_equal(read_machine(&m), -ENOENT);
	set_up(NULL);
}

static void the_scarcest_group_on_our_path_counts(void **state)
{
	struct sysmem m;

	(void)state;
	put("proc/self/cgroup", "0::/a/b\n");
	put("cgroup/a/b/memory.max", "max\n");
	put("cgroup/a/b/memory.current", "104857600\n");
	put("cgroup/a/b/memory.pressure", "some avg10=33.00 avg60=1.00 avg300=0.10 total=9\n");
	put("cgroup/a/memory.max", "1073741824\n");
	put("cgroup/a/memory.current", "943718400\n");
	put("cgroup/a/memory.stat", "anon 1\ninactive_file 209715200\nactive_file 5\n");
	assert_int_equal(read_machine(&m), 0);
	assert_int_equal(m.total_bytes, 1024 * MIB);
	assert_int_equal(m.available_bytes, (1024 - 900 + 200) * MIB);
	assert_float_equal(m.pressure, 33, 0.001);

	put("cgroup/memory.max", "536870912\n"); /* as a container sees its own at the root */
	put("cgroup/memory.current", "536870912\n");
	assert_int_equal(read_machine(&m), 0);
	assert_int_equal(m.total_bytes, 512 * MIB);
	assert_int_equal(m.available_bytes, 0);

	put("cgroup/memory.current", "636870912\n"); /* more than it may: for a moment that is so */
	assert_int_equal(read_machine(&m), 0);
	assert_int_equal(m.available_bytes, 0);
}

static void memory_high_is_a_limit_too(void **state)
{
	struct sysmem m;

	(void)state;
	put("proc/self/cgroup", "0::/a\n");
	put("cgroup/a/memory.max", "max\n");
	put("cgroup/a/memory.high", "838860800\n");
	put("cgroup/a/memory.current", "314572800\n");
	assert_int_equal(read_machine(&m), 0);
	assert_int_equal(m.total_bytes, 800 * MIB);
	assert_int_equal(m.available_bytes, 500 * MIB);
}

static void a_group_with_nonsense_is_left_out(void **state)
{
	struct sysmem m;

	(void)state;
	put("proc/self/cgroup", "0::/a\n");
	put("cgroup/a/memory.max", "lots\n");
	put("cgroup/a/memory.current", "1\n");
	put("cgroup/a/memory.pressure", "none\n");
	assert_int_equal(read_machine(&m), 0);
	assert_int_equal(m.total_bytes, 2048 * MIB);
	assert_int_equal(m.available_bytes, 1024 * MIB);
	put("cgroup/a/memory.max", "524288000\n");
	put("cgroup/a/memory.current", "?\n");
	assert_int_equal(read_machine(&m), 0);
	assert_int_equal(m.total_bytes, 500 * MIB);
	assert_int_equal(m.available_bytes, 500 * MIB);
	assert_float_equal(m.pressure, 0, 0.001);
	put("proc/self/cgroup", "0::/gone\n");
	assert_int_equal(read_machine(&m), 0);
	assert_int_equal(m.total_bytes, 2048 * MIB);
}

static void this_machine_can_be_read(void **state)
{
	struct sysmem m;

	(void)state;
	assert_int_equal(sysmem_read(&sysmem_paths, &m, NULL), 0);
	assert_true(m.total_bytes > 64 * MIB);
	assert_true(m.available_bytes > 0 && m.available_bytes <= m.total_bytes);
	assert_true(m.pressure >= 0 && m.pressure <= 100);
}

#define WITH_MACHINE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(meminfo_is_read_in_bytes),
		cmocka_unit_test(a_meminfo_that_makes_no_sense_is_not_believed),
		cmocka_unit_test(a_control_groups_numbers_are_bytes_or_max),
		cmocka_unit_test(pressure_is_the_share_of_ten_seconds_in_which_some_waited),
		cmocka_unit_test(our_group_is_the_one_of_cgroup_v2),
		WITH_MACHINE(without_control_groups_the_machine_counts),
		WITH_MACHINE(without_meminfo_there_is_no_answer),
		WITH_MACHINE(the_scarcest_group_on_our_path_counts),
		WITH_MACHINE(memory_high_is_a_limit_too),
		WITH_MACHINE(a_group_with_nonsense_is_left_out),
		cmocka_unit_test(this_machine_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
