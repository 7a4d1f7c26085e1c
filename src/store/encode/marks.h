/*
 * store/encode/marks.h: long texts with marks in the place of what their row says already: its ids, its time of day. Shared by
 * templates*.c. The bytes are docs/format/segment.md §texts.
 */
#ifndef STORE_ENCODE_MARKS_H
#define STORE_ENCODE_MARKS_H

#include "base/buf.h"
#include "event/types.h"

typedef enum mark_byte { /* stored in segments: never renumber */
                         MARK_END = 0,
                         MARK_TRACE_ID = 1,
                         MARK_SPAN_ID = 2,
                         MARK_ESCAPE =
                             3, /* the byte that follows, less MARK_ESCAPED, is the text's own */
                         MARK_CLOCK = 4, /* 12:34:56 */
                         MARK_MS = 5,    /* the three digits of a second behind that */
                         MARK_US = 6,    /* the next three */
                         MARK_DATE = 7,  /* 2026-12-24 */
                         MARK_SLOT = 8,  /* of templates alone: what differs comes here */
} mark_byte;

#define MARK_LAST       MARK_SLOT /* a text's own bytes up to here are escaped */
#define MARK_ESCAPED    64u
#define MARK_ZONE_MAX   60   /* quarters of an hour */
#define MARK_TOKENS_MAX 255u /* of a text: later ones are not looked at */

/* What the marks of one row stand for. Zeroed before the first row. */
typedef struct row_marks {
    char trace[33], span[17], date[10], clock[8], ms[3], us[3];
    uint8_t trace_len, span_len; /* 0: the row has none */
    int64_t second;              /* that date and clock say; of the zone */
    bool is_printed;
} row_marks;

/* `zone`: quarters of an hour that the texts' clocks are ahead of UTC. */
void row_marks_of(trace_id trace, uint64_t span_id, int64_t time_ns, int zone, row_marks *ret);
/* Empty for what stands for nothing (of this row). */
span row_marks_text(const row_marks *m, uint8_t mark);
/* The zone of the first of these texts that names its row's minute and second; 0 when none does. */
int marks_zone(const span *list, const int64_t *times, uint32_t count);

/* A piece of a text that may differ between lines of one template: letters, digits and _ with a digit among them, or a UUID. */
typedef struct token {
    uint32_t at, len; /* in the bytes of the texts with marks */
} token;

/* Bytes that tokens are made of. */
static inline bool marks_is_of_token(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' || c == '-';
}

/* How long what stands in a slot is, at the start of `s`: a UUID, or all letters, digits and _. */
size_t marks_token(span s);

typedef struct marked {
    uint32_t at, len; /* in `out` */
    uint32_t tokens;
    bool has_ids;
} marked;

/* Appends the text with marks and MARK_END, its tokens (at most MARK_TOKENS_MAX) to `tokens`, and to `skeleton` (cleared
 * first) the same with MARK_SLOT for each of them. Failure is the buffers'. */
marked marks_put(span text, const row_marks *m, buf *out, token *tokens, buf *skeleton);

/* How many of the first bytes are no mark (nor MARK_ESCAPE). */
size_t marks_plain_bytes(const uint8_t *at, size_t len);
/* The text of bytes with marks, to `out` or, with NULL, only measured; UINT32_MAX: they are none, or it is too long. */
uint32_t marks_spell(span s, const row_marks *m, uint8_t *out);

#endif
