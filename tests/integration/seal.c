/* seal CONTEXT TEXT - prints what the vault would keep of TEXT, for tests that play the gateway or an
 * earlier worker. The key comes from PENSUM_SECRETS_KEY_FILE. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vault.h"

int main(int argc, char **argv)
{
	struct buf sealed = BUF_INIT;
	struct vault *vault = NULL;
	struct settings s;
	struct error err;
	int e = -1;

	settings_init(&s);
	if (argc == 3 && settings_load_env(&s, environ, &err) == 0)
		e = vault_open(&s, &vault, &err);
	if (e == 0) {
		vault_seal(vault, argv[1], argv[2], strlen(argv[2]), &sealed);
		puts(sealed.data);
	} else {
		fprintf(stderr, "%s\n", argc == 3 ? err.text : "usage: seal CONTEXT TEXT");
	}
	buf_done(&sealed);
	vault_free(vault);
	settings_done(&s);
	return e == 0 ? 0 : 1;
}
