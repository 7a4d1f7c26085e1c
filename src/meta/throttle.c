/*
 * meta/throttle.c: how often one may try to log in: by name and by address, in memory, bounded. After a few failures
 * each further attempt waits twice as long as the one before, at most a quarter of an hour. Time is an argument.
 *
 * A name that somebody guesses at is thereby shut to its owner too; `skep open` is the way in that needs no password.
 */
#include <arpa/inet.h>

#include "base/hash.h"
#include "meta/meta_private.h"

#define FREE_BY_NAME    5u
#define FREE_BY_ADDRESS 20u /* several people behind one address */
#define WAIT_MAX_S      900u
#define FORGET_NS       (30 * 60 * NS_PER_S)

/* One IPv6 network is one sender: its owner has 2^64 addresses in it. */
static uint64_t address_subject(span address)
{
    struct in6_addr v6;
    char text[64];
    if (address.len && address.len < sizeof text) {
        memcpy(text, address.at, address.len);
        text[address.len] = 0;
        if (inet_pton(AF_INET6, text, &v6) == 1)
            return hash64(span_of(&v6, 8)) | 1;
    }
    return hash64(address) | 1;
}

static uint64_t name_subject(span name)
{
    uint8_t lower[USER_NAME_MAX];
    size_t len = name.len < sizeof lower ? name.len : sizeof lower;
    for (size_t i = 0; i < len; i++)
        lower[i] = name.at[i] >= 'A' && name.at[i] <= 'Z' ? (uint8_t)(name.at[i] + 32) : name.at[i];
    return hash64(span_of(lower, len)) | 1;
}

/* Its place, or the one to use for it: a free or forgotten one, else the one that was quiet for longest. */
static attempts *place_of(attempts *table, uint64_t subject, int64_t now_ns)
{
    attempts *best = &table[0];
    for (uint32_t i = 0; i < ATTEMPTS_KEPT; i++) {
        if (table[i].subject == subject) {
            best = &table[i];
            break;
        }
        if (table[i].last_ns < best->last_ns)
            best = &table[i];
    }
    if (best->subject != subject ||
        (best->until_ns <= now_ns && now_ns - best->last_ns > FORGET_NS))
        *best = (attempts){.subject = subject};
    return best;
}

static void count(attempts *a, uint32_t without_wait, int64_t now_ns)
{
    a->failures++;
    a->last_ns = now_ns;
    if (a->failures < without_wait)
        return;
    uint32_t doublings = a->failures - without_wait;
    uint32_t wait_s = doublings < 10 ? 1u << doublings : WAIT_MAX_S;
    a->until_ns = now_ns + (int64_t)(wait_s < WAIT_MAX_S ? wait_s : WAIT_MAX_S) * NS_PER_S;
}

sk_code meta__attempt(meta *m, span name, span address, int64_t now_ns, err *e)
{
    lock_take(&m->cache_lock);
    attempts nobody = {0}; /* a link has no name */
    attempts *n = name.len ? place_of(m->by_name, name_subject(name), now_ns) : &nobody;
    attempts *a = place_of(m->by_address, address_subject(address), now_ns);
    bool is_by_name = n->until_ns > a->until_ns;
    int64_t until_ns = is_by_name ? n->until_ns : a->until_ns;
    if (until_ns <= now_ns) {
        count(n, FREE_BY_NAME, now_ns);
        count(a, FREE_BY_ADDRESS, now_ns);
    }
    lock_drop(&m->cache_lock);
    if (until_ns <= now_ns)
        return SK_OK;
    uint32_t wait_s = (uint32_t)((until_ns - now_ns + NS_PER_S - 1) / NS_PER_S);
    sk_code code = err_set(e, SK_THROTTLED,
                           "too many failed logins %s: the next may be tried in %u s; `skep open` "
                           "on the server's machine prints a link that needs no password",
                           is_by_name ? "with this name" : "from this address", wait_s);
    if (e)
        e->retry_after_s = wait_s;
    return code;
}

void meta__forgive(meta *m, span name, span address)
{
    uint64_t by_name = name_subject(name), by_address = address_subject(address);
    lock_take(&m->cache_lock);
    for (uint32_t i = 0; i < ATTEMPTS_KEPT; i++) {
        if (m->by_name[i].subject == by_name)
            m->by_name[i] = (attempts){0};
        attempts *a = &m->by_address[i]; /* a good login does not wash bad ones of others away */
        if (a->subject == by_address && a->failures) {
            a->failures--;
            a->until_ns = 0;
        }
    }
    lock_drop(&m->cache_lock);
}
