/*
 * store/encode/marks.c: see marks.h. Called by templates.c and templates_read.c.
 * Never: changes what a text says; marks_spell gives back every byte that marks_put was given.
 */
#include "store/encode/marks.h"

#include "base/clock.h"

#define ZONE_TEXTS   16u /* in which a clock is looked for */
#define QUARTER_S    900
#define DAY_S        86400
#define UUID_CHARS   36u
#define CLOCK_CHARS  8u
#define DATE_CHARS   10u
#define THREE_DIGITS 3u

enum { OTHER, WORD, DIGIT };

static inline int kind_of(uint8_t c)
{
    return c >= '0' && c <= '9' ? DIGIT : (uint8_t)((c | 32) - 'a') < 26 || c == '_' ? WORD : OTHER;
}

/* ---- what a row's marks stand for ---- */

static void print_three(char *out, unsigned v)
{
    out[0] = (char)('0' + v / 100);
    out[1] = (char)('0' + v / 10 % 10);
    out[2] = (char)('0' + v % 10);
}

void row_marks_of(trace_id trace, uint64_t span_id, int64_t time_ns, int zone, row_marks *ret)
{
    ret->trace_len = trace_id_is_set(trace) ? (uint8_t)trace_id_print(trace, ret->trace) : 0;
    ret->span_len = span_id ? (uint8_t)span_id_print(span_id, ret->span) : 0;
    int64_t ahead = zone * QUARTER_S * NS_PER_S, local;
    if (__builtin_add_overflow(time_ns, ahead, &local))
        local = time_ns;
    int64_t of_second = local % NS_PER_S;
    of_second += of_second < 0 ? NS_PER_S : 0;
    print_three(ret->ms, (unsigned)(of_second / NS_PER_MS));
    print_three(ret->us, (unsigned)(of_second / NS_PER_US % 1000));
    int64_t second = local / NS_PER_S - (local % NS_PER_S < 0);
    if (ret->is_printed && ret->second == second)
        return;
    char text[36];
    (void)clock_print_rfc3339(local, text);
    memcpy(ret->date, text, DATE_CHARS);
    memcpy(ret->clock, text + DATE_CHARS + 1, CLOCK_CHARS);
    ret->second = second;
    ret->is_printed = true;
}

span row_marks_text(const row_marks *m, uint8_t mark)
{
    switch (mark) {
    case MARK_TRACE_ID: return span_of(m->trace, m->trace_len);
    case MARK_SPAN_ID: return span_of(m->span, m->span_len);
    case MARK_CLOCK: return span_of(m->clock, CLOCK_CHARS);
    case MARK_MS: return span_of(m->ms, THREE_DIGITS);
    case MARK_US: return span_of(m->us, THREE_DIGITS);
    case MARK_DATE: return span_of(m->date, DATE_CHARS);
    default: return (span){NULL, 0};
    }
}

/* Seconds of the day that a clock says; -1: it is none. */
static int read_clock(const uint8_t *at)
{
    for (unsigned i = 0; i < CLOCK_CHARS; i++)
        if (i % 3 == 2 ? at[i] != ':' : kind_of(at[i]) != DIGIT)
            return -1;
    int hour = (at[0] - '0') * 10 + at[1] - '0', minute = (at[3] - '0') * 10 + at[4] - '0';
    return hour * 3600 + minute * 60 + (at[6] - '0') * 10 + at[7] - '0';
}

int marks_zone(const span *list, const int64_t *times, uint32_t count)
{
    for (uint32_t i = 0; i < count && i < ZONE_TEXTS; i++)
        for (size_t k = 0; k + CLOCK_CHARS <= list[i].len; k++) {
            if (list[i].at[k + 2] != ':' || list[i].at[k + 5] != ':')
                continue;
            int said = read_clock(list[i].at + k);
            int64_t ahead = said - (times[i] / NS_PER_S) % DAY_S;
            if (said < 0 || times[i] < 0 || ahead % QUARTER_S)
                continue;
            int zone = (int)(ahead / QUARTER_S), day = DAY_S / QUARTER_S;
            zone += zone < -MARK_ZONE_MAX ? day : zone > MARK_ZONE_MAX ? -day : 0;
            return zone;
        }
    return 0;
}

/* ---- putting marks ---- */

static bool is_uuid(const uint8_t *at)
{
    if (at[8] != '-' || at[13] != '-' || at[18] != '-' || at[23] != '-')
        return false;
    for (unsigned i = 0; i < UUID_CHARS; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (!is_dash && kind_of(at[i]) != DIGIT && (uint8_t)((at[i] | 32) - 'a') >= 6)
            return false;
    }
    return true;
}

static size_t word_length(span s, bool *ret_has_digit)
{
    size_t n = 0;
    bool has_digit = false;
    for (int kind; n < s.len && (kind = kind_of(s.at[n])) != OTHER; n++)
        has_digit |= kind == DIGIT;
    *ret_has_digit = has_digit;
    return n;
}

size_t marks_token(span s)
{
    bool has_digit;
    if (s.len >= UUID_CHARS && is_uuid(s.at))
        return UUID_CHARS;
    return word_length(s, &has_digit);
}

typedef struct putting {
    const row_marks *marks;
    buf *out, *skeleton;
    token *tokens;
    marked result;
} putting;

static void put_literal(putting *p, const uint8_t *at, size_t len)
{
    buf_add(p->out, at, len);
    buf_add(p->skeleton, at, len);
}

static void put_mark(putting *p, mark_byte m)
{
    uint8_t byte = (uint8_t)m;
    put_literal(p, &byte, 1);
}

static bool is_here(span s, const char *what, size_t len)
{
    return len && s.len >= len && memcmp(s.at, what, len) == 0;
}

/* The clock and its fractions; returns how many bytes of the text that was. */
static size_t put_clock(putting *p, span s)
{
    const row_marks *m = p->marks;
    size_t n = CLOCK_CHARS;
    put_mark(p, MARK_CLOCK);
    if (s.len <= n || (s.at[n] != '.' && s.at[n] != ',') ||
        !is_here(span_from(s, n + 1), m->ms, THREE_DIGITS))
        return n;
    put_literal(p, s.at + n, 1);
    put_mark(p, MARK_MS);
    n += 1 + THREE_DIGITS;
    if (!is_here(span_from(s, n), m->us, THREE_DIGITS))
        return n;
    put_mark(p, MARK_US);
    return n + THREE_DIGITS;
}

static size_t put_date(putting *p, span s)
{
    size_t n = DATE_CHARS;
    put_mark(p, MARK_DATE);
    if (s.len <= n || (s.at[n] != 'T' && s.at[n] != ' ') ||
        !is_here(span_from(s, n + 1), p->marks->clock, CLOCK_CHARS))
        return n;
    put_literal(p, s.at + n, 1);
    return n + 1 + put_clock(p, span_from(s, n + 1));
}

/* A word, or what the row says, at the start of `s`; returns how many bytes of the text that was. */
static size_t put_word(putting *p, span s)
{
    const row_marks *m = p->marks;
    bool has_digit;
    size_t n = word_length(s, &has_digit);
    if (n == 2 && is_here(s, m->clock, CLOCK_CHARS))
        return put_clock(p, s);
    if (n == 4 && is_here(s, m->date, DATE_CHARS))
        return put_date(p, s);
    if ((n == m->trace_len && is_here(s, m->trace, n)) ||
        (n == m->span_len && is_here(s, m->span, n))) {
        put_mark(p, n == m->trace_len && is_here(s, m->trace, n) ? MARK_TRACE_ID : MARK_SPAN_ID);
        p->result.has_ids = true;
        return n;
    }
    if (s.len >= UUID_CHARS && is_uuid(s.at)) {
        n = UUID_CHARS;
        has_digit = true;
    }
    if (!has_digit || p->result.tokens == MARK_TOKENS_MAX) {
        put_literal(p, s.at, n);
        return n;
    }
    p->tokens[p->result.tokens++] = (token){(uint32_t)p->out->len, (uint32_t)n};
    buf_add(p->out, s.at, n);
    buf_add_u8(p->skeleton, MARK_SLOT);
    return n;
}

marked marks_put(span text, const row_marks *m, buf *out, token *tokens, buf *skeleton)
{
    putting p = {.marks = m, .out = out, .skeleton = skeleton, .tokens = tokens};
    buf_clear(skeleton);
    p.result.at = (uint32_t)out->len;
    for (size_t i = 0; i < text.len;) {
        uint8_t c = text.at[i];
        if (c <= MARK_LAST) {
            put_mark(&p, MARK_ESCAPE);
            put_literal(&p, (uint8_t[]){(uint8_t)(c + MARK_ESCAPED)}, 1);
            i++;
        } else if (kind_of(c) != OTHER) {
            i += put_word(&p, span_from(text, i));
        } else {
            size_t n = 1;
            while (i + n < text.len && text.at[i + n] > MARK_LAST &&
                   kind_of(text.at[i + n]) == OTHER)
                n++;
            put_literal(&p, text.at + i, n);
            i += n;
        }
    }
    p.result.len = (uint32_t)out->len - p.result.at;
    buf_add_u8(out, MARK_END);
    return p.result;
}

/* ---- and back ---- */

size_t marks_plain_bytes(const uint8_t *at, size_t len)
{
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t v;
        memcpy(&v, at + i, 8);
        if ((v - 0x0909090909090909ull) & ~v & 0x8080808080808080ull) /* any byte below 9 */
            break;
    }
    while (i < len && at[i] > MARK_LAST)
        i++;
    return i;
}

uint32_t marks_spell(span s, const row_marks *m, uint8_t *out)
{
    uint64_t len = 0;
    for (size_t i = 0; i < s.len && len <= EVENT_STRING_MAX;) {
        uint8_t own = 0;
        span from = span_of(s.at + i, marks_plain_bytes(s.at + i, s.len - i));
        if (from.len) {
            i += from.len;
        } else if (s.at[i] == MARK_ESCAPE) {
            if (i + 1 == s.len || s.at[i + 1] < MARK_ESCAPED ||
                s.at[i + 1] > MARK_ESCAPED + MARK_LAST)
                return UINT32_MAX;
            own = (uint8_t)(s.at[i + 1] - MARK_ESCAPED);
            from = span_of(&own, 1);
            i += 2;
        } else {
            from = row_marks_text(m, s.at[i++]);
            if (!from.len)
                return UINT32_MAX;
        }
        if (out)
            memcpy(out + len, from.at, from.len);
        len += from.len;
    }
    return len > EVENT_STRING_MAX ? UINT32_MAX : (uint32_t)len;
}
