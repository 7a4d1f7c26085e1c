/*
 * base/must.h: assertions are for our bugs; errors (base/err.h) are for the world. Input, disk contents,
 * peers, memory and time can all be wrong without an assertion firing.
 *   must(x)       always on: cheap invariants whose breach would corrupt data
 *   must_slow(x)  debug builds only
 *   never()       a branch that cannot be reached
 */
#ifndef BASE_MUST_H
#define BASE_MUST_H

#include "base/port.h"

no_return void must__failed(const char *file, int line, const char *what);

#define must(x) ((x) ? (void)0 : must__failed(__FILE__, __LINE__, #x))
#define never() must__failed(__FILE__, __LINE__, "unreachable")
#ifdef NDEBUG
#define must_slow(x) ((void)sizeof(x))
#else
#define must_slow(x) must(x)
#endif

#endif
