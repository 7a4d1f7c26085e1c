/*
 * meta/redaction.h: what of an environment's events is never written down: fields by name or glob, and what stands in their place.
 */
#ifndef META_REDACTION_H
#define META_REDACTION_H

#include "meta/meta.h"

#define META_REDACTIONS_MAX 100u /* of one environment */
#define META_PATTERN_MAX    200u
#define META_REDACTED_MAX   33u /* a hash as text, with NUL */

/* Stored: never renumber. */
typedef enum redaction_action {
    REDACT_DROP = 0, /* the field is left out */
    REDACT_MASK = 1, /* text becomes ***; what is not text is left out */
    REDACT_HASH =
        2, /* text becomes its keyed hash, the same for the same; what is not text is left out */
} redaction_action;

typedef struct redaction {
    redaction_action action;
    char field[META_PATTERN_MAX + 1]; /* a name; * stands for any characters, or none */
    uint64_t redacted;                /* values, since the server started */
} redaction;

/* SK_BAD_INPUT: no name, or that of a field which an event cannot be without. */
sk_code meta_redaction_make(redaction_action action, span field, redaction *ret, err *e) must_use;
/* All rules of an environment anew, in their order. SK_TOO_LARGE, SK_BAD_INPUT. */
sk_code meta_redaction_set(meta *m, uint32_t environment_id, const redaction *rules, uint32_t count,
                           err *e) must_use;
uint32_t meta_redactions(meta *m, uint32_t environment_id, redaction ret[META_REDACTIONS_MAX]);
/* A glob passes over fields which an event cannot be without. */
bool meta_redaction_matches(const redaction *r, span name);
/* Adds `redacted` of each to what is told of it. */
void meta_redaction_count(meta *m, uint32_t environment_id, const redaction *rules, uint32_t count);
void meta_redaction_hash(meta *m, uint32_t environment_id, span value, char ret[META_REDACTED_MAX]);

#endif
