/*
 * wire/json_read.c: JSON text to tokens, strictly by RFC 8259, in one pass without a tree.
 * Called by every JSON decoder. Never: reads past the text, recurses, or allocates except for
 * strings with escapes.
 */
#include "wire/json.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#define HAS_SSE2 1
#else
#define HAS_SSE2 0
#endif

/* What may come next; kept in json.state. */
enum {
    WANT_VALUE,
    WANT_FIRST_ITEM, /* a value or ']' */
    WANT_FIRST_KEY,  /* a key or '}' */
    WANT_MORE,       /* ',' or the end of the container; at depth 0 nothing */
};

json json_of(span text, arena *mem)
{
    const uint8_t *at = text.at ? text.at : (const uint8_t *)"";
    return (json){.start = at, .at = at, .end = at + text.len, .token = at, .mem = mem};
}

static json_kind fail_at(json *j, const uint8_t *at, const char *why)
{
    if (!j->failed) {
        j->failed = true;
        j->why = why;
        j->token = at; /* the error's place */
    }
    j->at = j->end;
    j->text = (span){NULL, 0};
    return j->kind = JSON_END;
}

static void skip_space(json *j)
{
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\n' || *j->at == '\r' || *j->at == '\t'))
        j->at++;
}

static bool in_object(const json *j)
{
    return j->depth && (j->in_object[(j->depth - 1) / 64] >> ((j->depth - 1) % 64) & 1);
}

/* To the next quote, backslash or control character; *ret_high gathers whether a byte above 0x7f
 * was passed. */
static const uint8_t *scan_plain(const uint8_t *at, const uint8_t *end, bool *ret_high)
{
#if HAS_SSE2
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'),
                  last_control = _mm_set1_epi8(0x1f);
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash));
        stop = _mm_or_si128(stop, _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes));
        unsigned stops = (unsigned)_mm_movemask_epi8(stop),
                 high = (unsigned)_mm_movemask_epi8(bytes);
        if (stops) {
            unsigned first = (unsigned)__builtin_ctz(stops);
            *ret_high |= (high & ((1u << first) - 1)) != 0;
            return at + first;
        }
        *ret_high |= high != 0;
    }
#endif
    for (; at < end && *at != '"' && *at != '\\' && *at >= 0x20; at++)
        *ret_high |= *at >= 0x80;
    return at;
}

static int hex4(const uint8_t *at, const uint8_t *end)
{
    uint64_t v;
    return end - at >= 4 && span_to_hex64(span_of(at, 4), &v) ? (int)v : -1;
}

static uint8_t *put_utf8(uint8_t *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (uint8_t)c;
    } else if (c < 0x800) {
        *to++ = (uint8_t)(0xc0 | c >> 6);
        *to++ = (uint8_t)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (uint8_t)(0xe0 | c >> 12);
        *to++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        *to++ = (uint8_t)(0x80 | (c & 0x3f));
    } else {
        *to++ = (uint8_t)(0xf0 | c >> 18);
        *to++ = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        *to++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        *to++ = (uint8_t)(0x80 | (c & 0x3f));
    }
    return to;
}

/* One escape from the backslash at *at on, advancing it; the character, or -1. A lone surrogate is
 * U+FFFD. */
static int32_t take_escape(const uint8_t **at, const uint8_t *end)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const uint8_t *s = *at + 1;
    if (s >= end)
        return -1;
    const char *plain = *s ? strchr(from, *s) : NULL;
    if (plain) {
        *at = s + 1;
        return to[plain - from];
    }
    int c = *s == 'u' ? hex4(s + 1, end) : -1;
    if (c < 0)
        return -1;
    *at = s += 5;
    if (c < 0xd800 || c > 0xdfff)
        return c;
    if (c < 0xdc00 && end - s >= 6 && s[0] == '\\' && s[1] == 'u') {
        int low = hex4(s + 2, end);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *at = s + 6;
            return 0x10000 + (c - 0xd800) * 0x400 + (low - 0xdc00);
        }
    }
    return 0xfffd;
}

/* Finds the closing quote of the string that began at j->token; j->at is behind its opening one.
 * Without `keep` escapes are checked but not written anywhere. */
static bool read_string(json *j, bool keep)
{
    const uint8_t *from = j->at, *at = from;
    bool has_high = false, has_escape = false;
    for (;;) {
        at = scan_plain(at, j->end, &has_high);
        if (at >= j->end)
            return fail_at(j, j->token, "a string without its closing quote"), false;
        if (*at == '"')
            break;
        if (*at != '\\')
            return fail_at(j, at, "a control character inside a string"), false;
        const uint8_t *escape = at;
        has_escape = true;
        if (take_escape(&at, j->end) < 0)
            return fail_at(j, escape, "an escape that is none of JSON's"), false;
    }
    j->text = span_of(from, (size_t)(at - from));
    j->at = at + 1;
    if (has_high) {
        size_t valid = utf8_prefix(j->text);
        if (valid < j->text.len)
            return fail_at(j, from + valid, "a string that is not valid UTF-8"), false;
    }
    if (!has_escape || !keep)
        return true;
    uint8_t *out = j->mem ? arena_alloc(j->mem, j->text.len, 1) : NULL, *to = out;
    if (!out)
        return fail_at(j, j->token, "strings that together pass the memory limit of a request"),
               false;
    for (const uint8_t *s = from; s < at;) {
        if (*s == '\\') {
            to = put_utf8(to, (uint32_t)take_escape(&s, at));
        } else {
            *to++ = *s++;
        }
    }
    j->text = span_of(out, (size_t)(to - out));
    return true;
}

static const uint8_t *skip_digits(const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

static json_kind read_number(json *j)
{
    const uint8_t *at = j->token + (*j->token == '-'), *from = at;
    at = skip_digits(at, j->end);
    if (at == from)
        return fail_at(j, j->token, "a minus sign without a number");
    if (*from == '0' && at - from > 1)
        return fail_at(j, j->token, "a number with a leading zero");
    j->is_integer = true;
    if (at < j->end && *at == '.') {
        j->is_integer = false;
        from = at + 1;
        if ((at = skip_digits(from, j->end)) == from)
            return fail_at(j, j->token, "a number that ends in its decimal point");
    }
    if (at < j->end && (*at | 32) == 'e') {
        j->is_integer = false;
        from = at + 1;
        if (from < j->end && (*from == '-' || *from == '+'))
            from++;
        if ((at = skip_digits(from, j->end)) == from)
            return fail_at(j, j->token, "a number without its exponent's digits");
    }
    j->at = at;
    j->text = span_of(j->token, (size_t)(at - j->token));
    return j->kind = JSON_NUMBER;
}

static json_kind read_word(json *j, span word, json_kind kind)
{
    if (!span_starts_with(span_of(j->at, (size_t)(j->end - j->at)), word))
        return fail_at(j, j->token, "a word that is neither true, false nor null");
    j->text = span_of(j->at, word.len);
    j->at += word.len;
    return j->kind = kind;
}

static json_kind open_container(json *j, bool is_object)
{
    if (j->depth == JSON_DEPTH_MAX)
        return fail_at(j, j->token, "nesting deeper than 256");
    uint64_t bit = (uint64_t)1 << (j->depth % 64);
    uint64_t *word = &j->in_object[j->depth / 64];
    *word = is_object ? *word | bit : *word & ~bit;
    j->depth++;
    j->at++;
    j->state = is_object ? WANT_FIRST_KEY : WANT_FIRST_ITEM;
    return j->kind = is_object ? JSON_OBJECT : JSON_ARRAY;
}

static json_kind close_container(json *j)
{
    bool is_object = in_object(j);
    j->at++;
    j->depth--;
    j->state = WANT_MORE;
    return j->kind = is_object ? JSON_OBJECT_END : JSON_ARRAY_END;
}

static json_kind read_value(json *j, bool keep)
{
    if (j->at >= j->end)
        return fail_at(j, j->at,
                       j->at == j->start ? "nothing: the document is empty"
                                         : "the end where a value belongs");
    j->token = j->at;
    switch (*j->at) {
    case '{': return open_container(j, true);
    case '[': return open_container(j, false);
    case '"':
        j->at++;
        j->state = WANT_MORE;
        return read_string(j, keep) ? (j->kind = JSON_STRING) : JSON_END;
    case 't': j->state = WANT_MORE; return read_word(j, SPAN("true"), JSON_TRUE);
    case 'f': j->state = WANT_MORE; return read_word(j, SPAN("false"), JSON_FALSE);
    case 'n': j->state = WANT_MORE; return read_word(j, SPAN("null"), JSON_NULL);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': j->state = WANT_MORE; return read_number(j);
    default: return fail_at(j, j->at, "a byte that starts no value");
    }
}

static json_kind read_key(json *j, bool keep)
{
    if (j->at >= j->end || *j->at != '"')
        return fail_at(j, j->at, "something else where a key in quotes belongs");
    j->token = j->at++;
    if (!read_string(j, keep))
        return JSON_END;
    skip_space(j);
    if (j->at >= j->end || *j->at != ':')
        return fail_at(j, j->at, "a key without its colon");
    j->at++;
    j->state = WANT_VALUE;
    return j->kind = JSON_KEY;
}

static json_kind next(json *j, bool keep)
{
    if (j->failed)
        return JSON_END;
    skip_space(j);
    j->text = (span){NULL, 0};
    bool has_byte = j->at < j->end;
    if (j->state == WANT_MORE) {
        if (j->depth == 0)
            return has_byte ? fail_at(j, j->at, "more after the end of the document")
                            : (j->kind = JSON_END);
        if (has_byte && *j->at == (in_object(j) ? '}' : ']'))
            return close_container(j);
        if (!has_byte || *j->at != ',')
            return fail_at(j, j->at, "something else where a comma or the end of the list belongs");
        j->at++;
        skip_space(j);
        return in_object(j) ? read_key(j, keep) : read_value(j, keep);
    }
    if (j->state == WANT_FIRST_KEY)
        return has_byte && *j->at == '}' ? close_container(j) : read_key(j, keep);
    if (j->state == WANT_FIRST_ITEM && has_byte && *j->at == ']')
        return close_container(j);
    return read_value(j, keep);
}

json_kind json_next(json *j)
{
    return next(j, true);
}

void json_skip(json *j)
{
    if (j->kind == JSON_KEY)
        next(j, false);
    if (j->kind != JSON_OBJECT && j->kind != JSON_ARRAY)
        return;
    uint32_t outside = j->depth - 1;
    const uint8_t *began = j->token;
    while (!j->failed && j->depth > outside)
        next(j, false);
    if (!j->failed)
        j->token = began;
}

span json_raw(json *j)
{
    json_skip(j);
    return j->failed ? (span){NULL, 0} : span_of(j->token, (size_t)(j->at - j->token));
}
