/*
 * event/types.c: names of families and field types, text forms of ids. Called by every layer that
 * shows or reads ids. Never allocates. Source of the text forms: reference honeycomb.md §2.3.
 */
#include "event/types.h"

#include "base/must.h"

const char *family_name(family f)
{
    static const char *const names[FAMILY_COUNT] = {"trace", "log", "metric"};
    must((unsigned)f < FAMILY_COUNT);
    return names[f];
}

const char *field_type_name(field_type t)
{
    static const char *const names[FIELD_TYPE_COUNT] = {"string", "int", "float", "bool",
                                                        "histogram"};
    must((unsigned)t < FIELD_TYPE_COUNT);
    return names[t];
}

static void print_hex64(uint64_t v, char out[16])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 15; i >= 0; i--, v >>= 4)
        out[i] = digits[v & 15];
}

size_t trace_id_print(trace_id id, char out[33])
{
    size_t len = 0;
    if (id.hi) {
        print_hex64(id.hi, out);
        len = 16;
    }
    print_hex64(id.lo, out + len);
    out[len + 16] = '\0';
    return len + 16;
}

size_t span_id_print(uint64_t id, char out[17])
{
    print_hex64(id, out);
    out[16] = '\0';
    return 16;
}

/* 16 hex digits; capitals only when any_case. */
static bool parse_hex64(const uint8_t *at, bool any_case, uint64_t *ret)
{
    uint64_t v = 0;
    for (int i = 0; i < 16; i++) {
        uint8_t c = at[i];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned)(c - 'a' + 10);
        else if (any_case && c >= 'A' && c <= 'F')
            digit = (unsigned)(c - 'A' + 10);
        else
            return false;
        v = v << 4 | digit;
    }
    *ret = v;
    return true;
}

bool trace_id_parse(span s, bool any_case, trace_id *ret)
{
    trace_id id = {0, 0};
    if (s.len == 32) {
        if (!parse_hex64(s.at, any_case, &id.hi) || !parse_hex64(s.at + 16, any_case, &id.lo))
            return false;
        if (id.hi == 0 && !any_case)
            return false;
    } else if (s.len != 16 || !parse_hex64(s.at, any_case, &id.lo)) {
        return false;
    }
    if (!trace_id_is_set(id))
        return false;
    *ret = id;
    return true;
}

bool span_id_parse(span s, bool any_case, uint64_t *ret)
{
    uint64_t id;
    if (s.len != 16 || !parse_hex64(s.at, any_case, &id) || id == 0)
        return false;
    *ret = id;
    return true;
}
