/* main/limits.h: defaults that depend on the machine: memory and disk bounds. */
#ifndef MAIN_LIMITS_H
#define MAIN_LIMITS_H

#include "base/err.h"

/* The least disk bound: journal files, segments and control plane have no room in less. */
#define LIMITS_DISK_MIN (32 * MIB)

uint64_t
limits_memory_bytes(void); /* the smaller of 25 % of RAM (or the cgroup's bound) and 2 GiB */
uint64_t
limits_disk_bytes(uint64_t free_bytes); /* the smaller of 20 GiB and half of what is free */

#endif
