/* make_verifier USER_ID PASSWORD - prints what a worker would keep beside a Moodle session, for tests
 * that have no worker. The key comes from PENSUM_SECRETS_KEY_FILE. */
#include <stdio.h>
#include <unistd.h>

#include "vault.h"

int main(int argc, char **argv)
{
	char verifier[VAULT_VERIFIER_MAX];
	struct vault *vault = NULL;
	struct settings s;
	struct error err;
	int e = -1;

	settings_init(&s);
	if (argc == 3 && settings_load_env(&s, environ, &err) == 0 &&
	    vault_open(&s, &vault, &err) == 0)
		e = vault_make_verifier(vault, argv[1], argv[2], verifier, &err);
	if (e == 0)
		puts(verifier);
	else
		fprintf(stderr, "%s\n",
			argc == 3 ? err.text : "usage: make_verifier USER PASSWORD");
	vault_free(vault);
	settings_done(&s);
	return e == 0 ? 0 : 1;
}
