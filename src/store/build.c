/*
 * store/build.c: sort keys first, then column by column: memory is bounded by a few words per row and one column.
 * Called by seal.c, merge.c and retain.c. Never: gives a file its final name.
 */
#include "store/build.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "store/cache_write.h"
#include "store/gather.h"

/* Blocks kept decoded: a seal keeps all of its set's (128 of 66 KB for 1 Mi rows); a merge follows its inputs. */
#define KEEP_BLOCKS 160u
/* A column with at most this many values, or fewer than 1 % of the rows, is packed with others. */
#define RARE_ALWAYS 64u
#define RARE_MAX    1024u
#define RARE_SHARE  100u

typedef struct named {
    span name;
    field_type type;
    uint32_t input, column;
    uint64_t value_count;
} named;

/* A column to be written: of `columns`, those of one name and type. */
typedef struct write_task {
    uint32_t first, end; /* both 0: the dataset */
    uint32_t
        richness; /* different codes in a block; 0: none, or too many for others to follow from */
} write_task;

typedef struct builder {
    build_request *request;
    order_inputs in;
    row_order order;
    segment_writer *writer;
    gather *gather;
    uint32_t *target;
    named *columns; /* by name, type, input */
    uint32_t column_count, column_capacity;
    uint32_t *of_input;
    write_task *tasks;
    uint32_t task_count;
} builder;

static sk_code out_of_memory(err *e)
{
    return err_set(e, SK_NO_MEMORY, "no memory to build a segment");
}

/* ---- columns ---- */

static int compare_named(const void *a, const void *b)
{
    const named *x = a, *y = b;
    int by_name = span_compare(x->name, y->name);
    if (by_name)
        return by_name;
    if (x->type != y->type)
        return x->type < y->type ? -1 : 1;
    return (x->input > y->input) - (x->input < y->input);
}

static sk_code list_columns(builder *b, err *e)
{
    for (uint32_t i = 0; i < b->in.count; i++) {
        const order_input *in = &b->in.at[i];
        for (uint32_t k = 0; k < in->info.column_count; k++) {
            if (!base_reserve(&b->columns, &b->column_capacity, b->column_count + 1,
                              sizeof b->columns[0]))
                return out_of_memory(e);
            part_column c = part_column_get(in->part, PART_COLUMNS + k);
            b->columns[b->column_count++] =
                (named){c.name, c.type, i, PART_COLUMNS + k, c.value_count};
        }
    }
    if (b->column_count)
        qsort(b->columns, b->column_count, sizeof b->columns[0], compare_named);
    return SK_OK;
}

static sk_code make_target(builder *b, err *e)
{
    b->target = base_alloc((b->in.row_end + 1ul) * sizeof b->target[0]);
    if (!b->target)
        return out_of_memory(e);
    memset(b->target, 0xff, b->in.row_end * sizeof b->target[0]);
    for (uint32_t i = 0; i < b->order.count; i++)
        b->target[b->order.source[i]] = i;
    return SK_OK;
}

static sk_code write_named(builder *b, const gather_column *c, err *e)
{
    uint32_t most = b->order.count / RARE_SHARE;
    most = most > RARE_MAX ? RARE_MAX : most < RARE_ALWAYS ? RARE_ALWAYS : most;
    bool is_rare = false;
    sk_code code = SK_OK;
    /* Counts of a part of the rows are not known: any column may turn out to be rare then. */
    if (c->value_count <= most || b->in.selected) {
        if (!b->target)
            code = make_target(b, e);
        if (code == SK_OK)
            code = gather_write_rare(&b->in, c, b->target, most, b->writer, &is_rare, e);
    }
    if (code != SK_OK || is_rare)
        return code;
    return gather_write(b->gather, c, b->writer, e);
}

/* ---- the order in which columns are written: rich ones first, so that poorer ones can follow from them ---- */

#define RICHNESS_MAX 1024u
#define SEEN_SLOTS   4096u

static uint32_t count_codes(const vector *v)
{
    uint32_t seen[SEEN_SLOTS] = {0}, count = 0;
    for (uint32_t i = 0; i < v->row_count && count <= RICHNESS_MAX; i++) {
        if (!vector_has(v, i))
            continue;
        uint32_t key = v->codes[i] + 1, at = (uint32_t)hash_mix(key) % SEEN_SLOTS;
        while (seen[at] && seen[at] != key)
            at = (at + 1) % SEEN_SLOTS;
        count += !seen[at];
        seen[at] = key;
    }
    return count > RICHNESS_MAX ? 0 : count;
}

/* Judged by the first block that has the column. */
static sk_code find_richness(const builder *b, uint32_t input, uint32_t col, uint32_t *ret, err *e)
{
    const order_input *in = &b->in.at[input];
    vector *v = b->in.scratch[0];
    *ret = 0;
    for (uint32_t block = 0; block < in->info.block_count; block++) {
        if (col >= PART_COLUMNS && !part_block_has_column(in->part, col, block))
            continue;
        sk_code code = part_read(in->reader, col, block, v, e);
        if (code == SK_OK && v->kind == VECTOR_CODES)
            *ret = count_codes(v);
        return code;
    }
    return SK_OK;
}

static int compare_tasks(const void *a, const void *b)
{
    const write_task *x = a, *y = b;
    if (x->richness != y->richness)
        return x->richness > y->richness ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

static sk_code list_tasks(builder *b, err *e)
{
    b->tasks = base_alloc((b->column_count + 1ul) * sizeof b->tasks[0]);
    if (!b->tasks)
        return out_of_memory(e);
    write_task *dataset = &b->tasks[b->task_count++];
    *dataset = (write_task){0};
    sk_code code = find_richness(b, 0, PART_DATASET, &dataset->richness, e);
    for (uint32_t i = 0, end; code == SK_OK && i < b->column_count; i = end) {
        const named *first = &b->columns[i];
        for (end = i; end < b->column_count && b->columns[end].type == first->type &&
                      span_equal(b->columns[end].name, first->name);
             end++)
            ;
        write_task *t = &b->tasks[b->task_count++];
        *t = (write_task){i, end, 0};
        if (first->type == FIELD_STRING && first->value_count > RARE_ALWAYS)
            code = find_richness(b, first->input, first->column, &t->richness, e);
    }
    qsort(b->tasks, b->task_count, sizeof b->tasks[0], compare_tasks);
    return code;
}

static sk_code write_task_column(builder *b, const write_task *t, err *e)
{
    if (t->end == 0) {
        gather_column dataset = {.pseudo = PART_DATASET, .name = SPAN(""), .type = FIELD_STRING};
        return gather_write(b->gather, &dataset, b->writer, e);
    }
    gather_column c = {.pseudo = PART_COLUMNS,
                       .name = b->columns[t->first].name,
                       .type = b->columns[t->first].type,
                       .of_input = b->of_input};
    memset(b->of_input, 0, b->in.count * sizeof b->of_input[0]);
    for (uint32_t i = t->first; i < t->end; i++) {
        b->of_input[b->columns[i].input] = b->columns[i].column;
        c.value_count += b->columns[i].value_count;
    }
    return write_named(b, &c, e);
}

static sk_code write_columns(builder *b, err *e)
{
    static const field_type types[PART_COLUMNS] = {[PART_TIME] = FIELD_INT,
                                                   [PART_RATE] = FIELD_INT,
                                                   [PART_TRACE_ID] = FIELD_INT,
                                                   [PART_SPAN_ID] = FIELD_INT,
                                                   [PART_PARENT_ID] = FIELD_INT};
    sk_code code = SK_OK;
    for (uint32_t i = 0; code == SK_OK && i < PART_COLUMNS; i++) {
        gather_column c = {.pseudo = i, .name = SPAN(""), .type = types[i]};
        if (i != PART_DATASET)
            code = gather_write(b->gather, &c, b->writer, e);
    }
    b->of_input = base_alloc_zero(b->in.count + 1ul, sizeof b->of_input[0]);
    if (code == SK_OK && !b->of_input)
        code = out_of_memory(e);
    if (code == SK_OK)
        code = list_tasks(b, e);
    for (uint32_t i = 0; code == SK_OK && i < b->task_count; i++)
        code = write_task_column(b, &b->tasks[i], e);
    segment_writer_sort_columns(b->writer);
    return code == SK_OK ? segment_writer_end_columns(b->writer, e) : code;
}

/* ---- the rest ---- */

static sk_code write_hashes(builder *b, err *e)
{
    build_request *q = b->request;
    uint32_t skipped = q->hash_count > SEGMENT_HASHES_MAX ? q->hash_count - SEGMENT_HASHES_MAX : 0;
    q->facts.hash_count = q->hash_count - skipped;
    if (q->facts.hash_count == 0)
        return SK_OK;
    buf out;
    buf_init(&out, PAGE_BYTES_MAX);
    for (uint32_t i = skipped; i < q->hash_count; i++) {
        buf_add_u64(&out, q->hashes[i].body_hash.lo);
        buf_add_u64(&out, q->hashes[i].body_hash.hi);
        buf_add_u64(&out, (uint64_t)q->hashes[i].arrival_ns);
    }
    sk_code code = out.failed
                       ? out_of_memory(e)
                       : segment_writer_page(b->writer, buf_span(&out), true, &q->facts.hashes, e);
    buf_done(&out);
    return code;
}

/* Least and greatest time of the rows taken: from the blocks' ranges when all are, else from the rows. */
static sk_code find_times(builder *b, err *e)
{
    segment_facts *f = &b->request->facts;
    f->min_time_ns = INT64_MAX;
    f->max_time_ns = INT64_MIN;
    vector *v = b->in.scratch[0];
    for (uint32_t block = 0; block < b->in.row_end / VECTOR_ROWS; block++) {
        uint32_t of_input;
        order_input *in = order_block(&b->in, block, &of_input);
        sk_code code = part_read(in->reader, PART_TIME, of_input, v, e);
        if (code != SK_OK)
            return code;
        for (uint32_t i = 0; i < v->row_count; i++) {
            if (!order_is_selected(&b->in, block * VECTOR_ROWS + i))
                continue;
            f->min_time_ns = v->ints[i] < f->min_time_ns ? v->ints[i] : f->min_time_ns;
            f->max_time_ns = v->ints[i] > f->max_time_ns ? v->ints[i] : f->max_time_ns;
        }
    }
    return SK_OK;
}

static uint32_t keep_blocks(const order_inputs *in)
{
    uint32_t open_blocks = 0;
    for (uint32_t i = 0; i < in->count; i++)
        open_blocks += in->at[i].info.is_open ? in->at[i].info.block_count : 0;
    return open_blocks > KEEP_BLOCKS ? open_blocks : KEEP_BLOCKS;
}

static sk_code write_file(builder *b, err *e)
{
    build_request *q = b->request;
    bool by_trace = q->facts.family == FAMILY_TRACE;
    q->facts.order = by_trace ? ORDER_TRACES : ORDER_STREAMS;
    sk_code code = find_times(b, e);
    if (code == SK_OK)
        code = by_trace ? order_traces(&b->in, &b->order, e) : order_streams(&b->in, &b->order, e);
    if (code != SK_OK)
        return code;
    q->facts.row_count = b->order.count;
    q->facts.has_unique_ids = by_trace && !b->order.shares_ids;
    for (uint32_t i = 0; i < b->in.count; i++)
        q->facts.has_unique_ids &= b->in.at[i].info.is_open || b->in.at[i].info.has_unique_ids;
    must(b->order.count); /* the caller selected some */
    code = gather_new(&b->in, &b->order, keep_blocks(&b->in), q->cancel, &b->gather, e);
    if (code == SK_OK)
        code = list_columns(b, e);
    if (code == SK_OK)
        code = segment_writer_open(q->path, q->encoder, &b->writer, e);
    if (code == SK_OK)
        code = write_columns(b, e);
    if (code == SK_OK)
        code = write_hashes(b, e);
    if (code == SK_OK && by_trace && q->cacher && q->cacher->name)
        code = cache_write(q->cacher, q->path, &q->facts, b->writer, q->cancel, e);
    if (code == SK_OK)
        code = segment_writer_finish(b->writer, &q->facts, e);
    return code;
}

sk_code build_segment(build_request *request, err *e)
{
    must(!request->selected || request->part_count == 1);
    builder b = {.request = request};
    sk_code code = order_inputs_open(request->parts, request->part_count, &b.in, e);
    if (code == SK_OK) {
        b.in.selected = request->selected;
        code = write_file(&b, e);
    }
    bool made_file = b.writer != NULL;
    gather_free(b.gather);
    segment_writer_free(b.writer);
    row_order_done(&b.order);
    order_inputs_done(&b.in);
    base_free(b.target);
    base_free(b.columns);
    base_free(b.of_input);
    base_free(b.tasks);
    err ignored; /* what is left is removed at the next opening: it has no final name */
    if (code != SK_OK && made_file && file_remove(request->path, &ignored) != SK_OK)
        return code;
    return code;
}
