/*
 * replay.c - gives each file of the folders named on the command line to the fuzz target, in builds
 * without libFuzzer.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "file.h"
#include "mem.h"

#define MAX_BYTES (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	CLEANUP(buf_done) struct buf input = BUF_INIT;
	struct error err;

	if (file_read(path, MAX_BYTES, &input, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	return LLVMFuzzerTestOneInput((const uint8_t *)input.data, input.len) != 0;
}

static int replay_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int failed = 0, count = 0;

	if (dir == NULL) {
		fprintf(stderr, "cannot open %s: %s\n", path, strerror(errno));
		return 1;
	}
	while ((entry = readdir(dir)) != NULL) {
		CLEANUP_FREE char *file = mem_printf("%s/%s", path, entry->d_name);

		if (entry->d_name[0] == '.')
			continue;
		failed += replay_file(file);
		count++;
	}
	closedir(dir);
	printf("%s: %d inputs\n", path, count);
	return failed > 0 || count == 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed += replay_folder(argv[i]);
	return failed > 0;
}
