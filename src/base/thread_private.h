/*
 * base/thread_private.h: the reading of a cgroup's cpu.max, apart from the file, for its test.
 */
#ifndef BASE_THREAD_PRIVATE_H
#define BASE_THREAD_PRIVATE_H

#include "base/span.h"

uint32_t
thread__quota_cores(span cpu_max); /* whole cores, rounded up; UINT32_MAX for "max" or nonsense */

#endif
