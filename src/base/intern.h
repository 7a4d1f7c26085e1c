/*
 * base/intern.h: bytes to dense codes 0, 1, 2…: the dictionary under batches and open tables.
 * Strings are copied once into the interner's own memory and never move, so a reader on another thread may look up
 * any code that was published to it (with release/acquire by the owner) while the writer adds more.
 * One writer. intern_text is safe for concurrent readers of published codes; nothing else is.
 */
#ifndef BASE_INTERN_H
#define BASE_INTERN_H

#include "base/port.h"
#include "base/span.h"

#define INTERN_NONE UINT32_MAX

typedef struct intern intern;

intern *intern_new(size_t cap_bytes); /* bound over strings and tables; NULL when memory is short */
void intern_free(intern *take_t);
uint32_t intern_put(intern *t, span s); /* its code; INTERN_NONE at the cap */
uint32_t intern_put_hashed(intern *t, span s,
                           uint64_t hash); /* hash = hash64_seeded(s, intern_seed(t)) */
uint64_t intern_seed(const intern *t);
void intern_prefetch(const intern *t,
                     uint64_t hash);           /* fetches the slot of a string that is put soon */
uint32_t intern_find(const intern *t, span s); /* INTERN_NONE when it is not there */
span intern_text(const intern *t, uint32_t code);
uint32_t intern_count(const intern *t);
size_t intern_bytes(const intern *t);

#endif
