/*
 * meta/password.c: argon2id, one at a time. Cost as RFC 9106's second choice asks: 64 MiB, three passes (docs/adr/0009). The
 * memory is the server's as any other, so the caller reserves PASSWORD_BYTES.
 */
#include <stdio.h>

#include "meta/meta_private.h"

#define PASSES 3

_Static_assert(PASSWORD_HASH_MAX >= crypto_pwhash_STRBYTES, "a hash fits");

/* Of a password nobody knows, at the same cost: what is checked where there is none to check. */
static const char nobodys[] = "$argon2id$v=19$m=65536,t=3,p=1$2yEhLT8aS2hmGQ8zJKXDnw$"
                              "Ys3J0mbBVeN6m2jbSx1GmJ4mXqoHdO1dVvW5n0cQ3rE";

static bool begin(meta *m)
{
    lock_take(&m->cache_lock);
    bool is_free = !m->is_hashing;
    m->is_hashing = true;
    lock_drop(&m->cache_lock);
    return is_free;
}

static void end(meta *m)
{
    lock_take(&m->cache_lock);
    m->is_hashing = false;
    lock_drop(&m->cache_lock);
}

static sk_code busy(err *e)
{
    return err_set(e, SK_BUSY, "another login is being checked; try again in a moment");
}

sk_code meta__password_hash(meta *m, span password, char out[PASSWORD_HASH_MAX], err *e)
{
    if (password.len < PASSWORD_MIN || password.len > PASSWORD_MAX || !utf8_is_valid(password))
        return err_set(e, SK_BAD_INPUT, "\"password\" is %u to %u bytes of UTF-8, this one has %zu",
                       PASSWORD_MIN, PASSWORD_MAX, password.len);
    if (!begin(m))
        return busy(e);
    int failed = crypto_pwhash_str_alg(out, (const char *)password.at, password.len, PASSES,
                                       PASSWORD_BYTES, crypto_pwhash_ALG_ARGON2ID13);
    end(m);
    return failed ? err_set(e, SK_NO_MEMORY, "no memory to hash the password") : SK_OK;
}

sk_code meta__password_check(meta *m, span password, const char *hash, bool *ret_is_right, err *e)
{
    bool is_somebodys = hash[0] != 0 && password.len <= PASSWORD_MAX;
    if (!begin(m))
        return busy(e);
    bool has_text = is_somebodys && password.len; /* no pointer to nothing for the library */
    int differs = crypto_pwhash_str_verify(is_somebodys ? hash : nobodys,
                                           has_text ? (const char *)password.at : "",
                                           has_text ? password.len : 0);
    end(m);
    *ret_is_right = is_somebodys && !differs;
    return SK_OK;
}
