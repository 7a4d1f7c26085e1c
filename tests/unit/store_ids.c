/*
 * tests/unit/store_ids.c: ids of a block to bytes and back: those that come again cost little, those of version 1 are read, and
 * what points before the first one is damage.
 */
#include "unit/store_rows.h"

#include "base/hash.h"
#include "store/encode/coder.h"

#define COUNT 4000u

typedef struct shape {
    const char *name;
    uint32_t among, run; /* so many different ids, each so often in a row */
    bool has_high;
    size_t bytes_max; /* of all of them */
} shape;

static trace_id id_of(const shape *s, uint64_t which)
{
    return (trace_id){s->has_high ? hash_mix(which + 7) : 0, hash_mix(which + 1)};
}

static void fill(const shape *s, trace_id *ids, uint64_t *random)
{
    for (uint32_t i = 0; i < COUNT; i++)
        ids[i] = i % s->run ? ids[i - 1] : id_of(s, check_random(random) % s->among);
}

static reader slack_reader(buf *b)
{
    size_t len = b->len;
    for (int i = 0; i < DECODE_SLACK; i++)
        buf_add_u8(b, 0);
    assert_false(b->failed);
    return reader_of(span_of(b->at, len));
}

static void ids_are_the_same_again(void **state)
{
    static const shape rows[] = {{"one", 1, 1, true, 40},
                                 {"few, mixed", 50, 1, true, 6000},
                                 {"many in runs", 1u << 30, 8, true, 9500},
                                 {"all different", 1u << 30, 1, true, 64100},
                                 {"without high halves", 1u << 30, 1, false, 32100},
                                 {"few, without high halves", 200, 1, false, 8000}};
    encoder *e = encoder_new(3);
    decoder *d = decoder_new();
    static trace_id want[COUNT], got[COUNT];
    static uint64_t parents[COUNT], orphans[COUNT];
    static int64_t distances[COUNT], read[COUNT];
    uint64_t random = 3;
    EACH_ROW(row, rows)
    {
        buf out;
        buf_init(&out, MIB);
        fill(row, want, &random);
        trace_ids_encode(e, want, COUNT, &out);
        assert_true(out.len <= row->bytes_max);
        reader r = slack_reader(&out);
        assert_true(trace_ids_decode(d, &r, COUNT, got));
        assert_memory_equal(got, want, sizeof want);
        uint32_t count = 0;
        for (uint32_t i = 0; i < COUNT; i++) {
            distances[i] = i % 3 ? 0 : (int64_t)i - 9;
            if (distances[i] == 0)
                parents[count++] = want[i].lo;
        }
        buf_clear(&out);
        parents_encode(e, distances, COUNT, parents, &out);
        r = slack_reader(&out);
        assert_true(parents_decode(d, &r, COUNT, read, orphans));
        assert_memory_equal(read, distances, sizeof read);
        assert_memory_equal(orphans, parents, count * sizeof parents[0]);
        buf_done(&out);
    }
    encoder_free(e);
    decoder_free(d);
}

/* Two runs of one row, the second's place as given; then as version 1 wrote them. */
static void places_before_the_first_are_damage(void **state)
{
    static const struct {
        const char *name;
        uint64_t backs[2];
        bool is_first_version, is_good;
    } rows[] = {{"the one before", {0, 1}, false, true},
                {"before the first", {0, 2}, false, false},
                {"the first before itself", {1, 1}, false, false},
                {"version 1", {0, 0}, true, true}};
    encoder *e = encoder_new(3);
    decoder *d = decoder_new();
    EACH_ROW(row, rows)
    {
        uint64_t lengths[2] = {0, 0};
        trace_id got[2];
        buf out;
        buf_init(&out, MIB);
        if (!row->is_first_version)
            buf_add_varint(&out, 0);
        buf_add_varint(&out, 2);
        ints_encode(&e->ints, lengths, 2, &out);
        buf_add_u8(&out, 0);
        if (!row->is_first_version) {
            buf_add_u8(&out, 1);
            ints_encode(&e->ints, row->backs, 2, &out);
        }
        buf_add_u64(&out, 77);
        if (row->is_first_version)
            buf_add_u64(&out, 78);
        reader r = slack_reader(&out);
        assert_int_equal(trace_ids_decode(d, &r, 2, got), row->is_good);
        if (row->is_good)
            assert_true(got[0].lo == 77 && got[1].lo == (row->is_first_version ? 78 : 77));
        buf_done(&out);
    }
    encoder_free(e);
    decoder_free(d);
}

TEST_GROUP(store_ids, TEST(ids_are_the_same_again), TEST(places_before_the_first_are_damage));
