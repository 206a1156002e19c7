#include "vault.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "mem.h"
#include "text.h"

#define SUBKEY_CONTEXT "pensum01" /* 8 bytes: crypto_kdf_CONTEXTBYTES */
#define PWHASH_PASSES  2
#define PWHASH_KIB     19456
#define SEAL_HEAD      crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define SEAL_TAIL      crypto_aead_xchacha20poly1305_ietf_ABYTES
#define BASE64	       sodium_base64_VARIANT_URLSAFE_NO_PADDING

#define QUOTE(x)     #x
#define STRINGIFY(x) QUOTE(x)

/* No password fits it; checking it takes as long as any other. */
#define NO_VERIFIER                                                                                \
	"$argon2id$v=19$m=" STRINGIFY(PWHASH_KIB) ",t=" STRINGIFY(PWHASH_PASSES) ",p=1$"           \
	"AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

enum subkey {
	SUBKEY_SEAL = 1,
	SUBKEY_VERIFY,
	SUBKEY_USER,
	SUBKEY_SIGN,
	SUBKEY_DIGEST,
	SUBKEY_COUNT
};

struct vault {
	unsigned char key[SUBKEY_COUNT][32];
};

int vault_open(const struct settings *s, struct vault **ret, struct error *err)
{
	CLEANUP(buf_wipe) struct buf hex = BUF_INIT;
	unsigned char root[crypto_kdf_KEYBYTES];
	struct vault *v;
	int r = sodium_init() < 0 ? error_set(err, -EIO, "libsodium does not start") : 0;

	if (r == 0)
		r = file_read_secret("pensum-key", s->key_file, &hex, err);
	if (r < 0)
		return r;
	if (hex.len != 2 * sizeof(root) || text_unhex(hex.data, root, sizeof(root)) < 0)
		return error_set(err, -EINVAL,
				 "secret pensum-key: expected 64 hex digits (make one with "
				 "`openssl rand -hex 32`)");
	v = mem_zalloc(sizeof(*v));
	for (unsigned i = 1; i < SUBKEY_COUNT; i++)
		crypto_kdf_derive_from_key(v->key[i], sizeof(v->key[i]), i, SUBKEY_CONTEXT, root);
	mem_wipe(root, sizeof(root));
	*ret = v;
	return 0;
}

void vault_free(struct vault *v)
{
	if (v == NULL)
		return;
	mem_wipe(v, sizeof(*v));
	free(v);
}

void vault_random(void *out, size_t len)
{
	randombytes_buf(out, len);
}

void vault_new_id(char out[ID_LEN + 1])
{
	unsigned char bytes[ID_LEN / 2];

	vault_random(bytes, sizeof(bytes));
	text_hex(bytes, sizeof(bytes), out);
}

void vault_new_token(char out[VAULT_TOKEN_SIZE])
{
	unsigned char bytes[32];

	vault_random(bytes, sizeof(bytes));
	sodium_bin2base64(out, VAULT_TOKEN_SIZE, bytes, sizeof(bytes), BASE64);
}

void vault_hash(const void *data, size_t len, char out[VAULT_HASH_HEX])
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, data, len);
	text_hex(hash, sizeof(hash), out);
}

/* Keyed hash of parts, each ended by a NUL so that their borders count. */
static void keyed_hash(const unsigned char key[32], const char *first, const char *second,
		       unsigned char *out, size_t out_len)
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, key, 32, out_len);
	crypto_generichash_update(&state, (const unsigned char *)first, strlen(first) + 1);
	crypto_generichash_update(&state, (const unsigned char *)second, strlen(second) + 1);
	crypto_generichash_final(&state, out, out_len);
	mem_wipe(&state, sizeof(state));
}

void vault_user_id(const struct vault *v, const char *site, const char *username,
		   char out[VAULT_USER_ID])
{
	CLEANUP_FREE char *copy = mem_strdup(username);
	unsigned char hash[16];
	char *start = copy;
	size_t len;

	while (isspace((unsigned char)*start))
		start++;
	len = strlen(start);
	while (len > 0 && isspace((unsigned char)start[len - 1]))
		start[--len] = '\0';
	for (size_t i = 0; i < len; i++)
		start[i] = (char)tolower((unsigned char)start[i]);
	keyed_hash(v->key[SUBKEY_USER], site, start, hash, sizeof(hash));
	text_hex(hash, sizeof(hash), out);
}

void vault_seal(const struct vault *v, const char *context, const void *data, size_t len,
		struct buf *out)
{
	size_t sealed_len = SEAL_HEAD + len + SEAL_TAIL;
	size_t text_size = sodium_base64_encoded_len(sealed_len, BASE64);
	unsigned char *sealed = mem_zalloc(sealed_len);

	vault_random(sealed, SEAL_HEAD);
	crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + SEAL_HEAD, NULL, data, len,
						   (const unsigned char *)context, strlen(context),
						   NULL, sealed, v->key[SUBKEY_SEAL]);
	buf_reserve(out, text_size);
	sodium_bin2base64(out->data + out->len, text_size, sealed, sealed_len, BASE64);
	out->len += text_size - 1;
	free(sealed);
}

int vault_unseal(const struct vault *v, const char *context, const char *sealed, struct buf *out,
		 struct error *err)
{
	size_t text_len = strlen(sealed), len = 0;
	unsigned char *bytes = mem_zalloc(text_len + 1);
	unsigned long long plain = 0;
	bool ok;

	ok = sodium_base642bin(bytes, text_len + 1, sealed, text_len, NULL, &len, NULL, BASE64) ==
		     0 &&
	     len >= SEAL_HEAD + SEAL_TAIL;
	if (ok) {
		buf_reserve(out, len);
		ok = crypto_aead_xchacha20poly1305_ietf_decrypt(
			     (unsigned char *)out->data + out->len, &plain, NULL,
			     bytes + SEAL_HEAD, len - SEAL_HEAD, (const unsigned char *)context,
			     strlen(context), bytes, v->key[SUBKEY_SEAL]) == 0;
	}
	free(bytes);
	if (!ok)
		return error_set(err, -EBADMSG, "sealed value is damaged or of another key");
	out->len += (size_t)plain;
	out->data[out->len] = '\0';
	return 0;
}

static void verifier_input(const struct vault *v, const char *user_id, const char *password,
			   char hex[65])
{
	unsigned char hash[32];

	keyed_hash(v->key[SUBKEY_VERIFY], user_id, password, hash, sizeof(hash));
	text_hex(hash, sizeof(hash), hex);
	mem_wipe(hash, sizeof(hash));
}

int vault_make_verifier(const struct vault *v, const char *user_id, const char *password,
			char out[VAULT_VERIFIER_MAX], struct error *err)
{
	char hex[65];
	int r;

	verifier_input(v, user_id, password, hex);
	r = crypto_pwhash_str_alg(out, hex, strlen(hex), PWHASH_PASSES,
				  PWHASH_KIB * 1024UL, crypto_pwhash_ALG_ARGON2ID13);
	mem_wipe(hex, sizeof(hex));
	return r == 0 ? 0 : error_set(err, -ENOMEM, "no memory to hash a password");
}

bool vault_check_verifier(const struct vault *v, const char *user_id, const char *password,
			  const char *verifier)
{
	char hex[65];
	bool is_ours = crypto_pwhash_str_needs_rehash(verifier, PWHASH_PASSES,
						      PWHASH_KIB * 1024UL) == 0;
	bool fits;

	verifier_input(v, user_id, password, hex);
	fits = crypto_pwhash_str_verify(is_ours ? verifier : NO_VERIFIER, hex, strlen(hex)) == 0;
	mem_wipe(hex, sizeof(hex));
	return is_ours && fits;
}

void vault_sign(const struct vault *v, const char *text, char out[VAULT_SIGNATURE])
{
	unsigned char hash[32];

	keyed_hash(v->key[SUBKEY_SIGN], text, "", hash, sizeof(hash));
	sodium_bin2base64(out, VAULT_SIGNATURE, hash, sizeof(hash), BASE64);
}

bool vault_signature_is_valid(const struct vault *v, const char *text, const char *signature)
{
	char expected[VAULT_SIGNATURE];

	vault_sign(v, text, expected);
	return strlen(signature) == VAULT_SIGNATURE - 1 &&
	       text_equal_secret(expected, signature, VAULT_SIGNATURE - 1);
}

void vault_digest(const struct vault *v, const char *purpose, const char *text,
		  char out[VAULT_DIGEST])
{
	unsigned char hash[32];

	keyed_hash(v->key[SUBKEY_DIGEST], purpose, text, hash, sizeof(hash));
	sodium_bin2base64(out, VAULT_DIGEST, hash, sizeof(hash), BASE64);
}
