/*
 * base/port.h: the compiler's side of the house: attributes and small helpers, nothing else.
 * Every header includes this first. C17 with GNU attributes; gcc 12 and clang 14 both understand all of it.
 */
#ifndef BASE_PORT_H
#define BASE_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define must_use          __attribute__((warn_unused_result))
#define format_like(f, a) __attribute__((format(printf, f, a)))
#define no_return         __attribute__((noreturn))
#define likely(x)         __builtin_expect(!!(x), 1)
#define unlikely(x)       __builtin_expect(!!(x), 0)

#define KIB               ((size_t)1024)
#define MIB               (1024 * KIB)
#define GIB               (1024 * MIB)

#define NS_PER_US         ((int64_t)1000)
#define NS_PER_MS         ((int64_t)1000000)
#define NS_PER_S          ((int64_t)1000000000)

#define COUNT_OF(a)       (sizeof(a) / sizeof((a)[0]))

#endif
