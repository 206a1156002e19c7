/*
 * vault.h - all cryptography: sealing, verifying, signing, random ids (libsodium).
 *
 * One 32-byte key (credential pensum-key or secrets.key_file) is the root; each use has a sub-key of
 * its own. Sealed text is XChaCha20-Poly1305 with a random nonce, base64url, bound to a context such
 * as "password <job id>": it opens only under the same context. A wrong or damaged seal is
 * -EBADMSG. Secrets given out are struct buf: end them with buf_wipe().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "error.h"
#include "jobmsg.h"
#include "settings.h"

struct vault;

#define VAULT_HASH_HEX	   65 /* 32 bytes as hex, and NUL */
#define VAULT_TOKEN_SIZE   44 /* 32 random bytes as base64url, and NUL */
#define VAULT_SIGNATURE	   44
#define VAULT_DIGEST	   44
#define VAULT_VERIFIER_MAX 128 /* crypto_pwhash_STRBYTES */
#define VAULT_USER_ID	   33  /* 16 bytes as hex, and NUL */

int vault_open(const struct settings *s, struct vault **ret, struct error *err);
void vault_free(struct vault *v);

void vault_random(void *out, size_t len);
void vault_new_id(char out[ID_LEN + 1]);
void vault_new_token(char out[VAULT_TOKEN_SIZE]);

/* Unkeyed SHA-256 as hex: of a cookie's token (the token itself is 256 random bits), of content. */
void vault_hash(const void *data, size_t len, char out[VAULT_HASH_HEX]);

/* The student's id: keyed hash of site and username, the username trimmed and lower-cased as
 * Moodle does. Redis keys and logs thus show no usernames. */
void vault_user_id(const struct vault *v, const char *site, const char *username,
		   char out[VAULT_USER_ID]);

/* base64url text appended to out. */
void vault_seal(const struct vault *v, const char *context, const void *data, size_t len,
		struct buf *out);
int vault_unseal(const struct vault *v, const char *context, const char *sealed, struct buf *out,
		 struct error *err);

/*
 * What stands beside a cached Moodle session so that a cached sign-in still needs the password:
 * Argon2id (2 passes, 19 MiB: OWASP's Password Storage Cheat Sheet) over a keyed hash of user and
 * password. About 25 ms of CPU: a loop process calls it in its helper thread. Thread-safe.
 */
int vault_make_verifier(const struct vault *v, const char *user_id, const char *password,
			char out[VAULT_VERIFIER_MAX], struct error *err);
/* What is no verifier, or one of another cost, fits no password, and takes as long as one. */
bool vault_check_verifier(const struct vault *v, const char *user_id, const char *password,
			  const char *verifier);

/* A link that expires: signature over text (which holds the expiry), compared in constant time. */
void vault_sign(const struct vault *v, const char *text, char out[VAULT_SIGNATURE]);
bool vault_signature_is_valid(const struct vault *v, const char *text, const char *signature);

/* Keyed hash as base64url: what stands for text in a table or outside, and tells nothing about it
 * without the key. Another purpose, another hash. */
void vault_digest(const struct vault *v, const char *purpose, const char *text,
		  char out[VAULT_DIGEST]);
