/*
 * main/resident.h: keeps the process's resident memory within its bound: measures it for the account, and has malloc give back
 * what it keeps free while that is much.
 */
#ifndef MAIN_RESIDENT_H
#define MAIN_RESIDENT_H

#include "base/err.h"
#include "base/memory.h"

typedef struct resident resident;

sk_code resident_start(memory *m, resident **ret, err *e) must_use; /* m outlives it */
void resident_stop(resident *take_r);                               /* NULL is fine */

#endif
