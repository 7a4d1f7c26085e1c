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

/* How many bits are set. The compiler's own is a call of the library where the processor is not known to count. */
static inline uint32_t bit_count(uint64_t x)
{
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (uint32_t)(x * 0x0101010101010101u >> 56);
}

#endif
