/*
 * event/codec.h: a frozen batch as bytes and back: the payload of a journal record. docs/format/batch.md holds the
 * format byte by byte. Version 1. Not compressed (the journal does that). Decoding trusts nothing: every length,
 * code and row number is checked; any damage is SK_CORRUPT with the offset.
 */
#ifndef EVENT_CODEC_H
#define EVENT_CODEC_H

#include "base/buf.h"
#include "event/batch.h"

#define BATCH_CODEC_VERSION 1

sk_code batch_encode(const batch *b, buf *out, err *e) must_use;
/* The batch owns copies: `bytes` may go away. */
sk_code batch_decode(span bytes, size_t cap_bytes, batch **ret, err *e) must_use;

#endif
