/*
 * tests/unit/engine_fixture.h: a local engine in a folder of the test, rows put by hand, questions in query text.
 */
#ifndef TESTS_UNIT_ENGINE_FIXTURE_H
#define TESTS_UNIT_ENGINE_FIXTURE_H

#include "check.h"
#include "engine/local/local.h"

#define T0          ((int64_t)1700000000 * NS_PER_S) /* where tests put their rows */
#define ENVIRONMENT 7u

typedef struct fixture {
    engine *engine;
    uint64_t seq;
    int64_t arrival_ns;
    char dir[300];
} fixture;

/* check_dir is each file's own, and removed after its test: so it is the test's that counts. */
#define fixture_open(workers, query_memory_max)                                                    \
    fixture_open_in(check_dir(), (workers), (query_memory_max), false)
#define fixture_open_keeping_nothing(workers) fixture_open_in(check_dir(), (workers), 0, true)
fixture fixture_open_in(const char *parent, uint32_t workers, uint64_t query_memory_max,
                        bool keeps_nothing);
void fixture_close(fixture *f);

/* A row is begun, then given its fields; fixture_publish takes the batch. */
batch *rows_new(family f);
uint32_t rows_begin(batch *b, const char *dataset, int64_t time_ns, uint32_t rate);
void put_string(batch *b, const char *name, const char *text);
void put_int(batch *b, const char *name, int64_t v);
void put_float(batch *b, const char *name, double v);
void put_bool(batch *b, const char *name, bool v);
/* A span: ids, name, kind, duration in ms (negative: none). */
uint32_t rows_span(batch *b, const char *service, int64_t time_ns, uint64_t trace, uint64_t id,
                   uint64_t parent, const char *name, const char *kind, double duration_ms);
void fixture_publish(fixture *f, batch *take_b);

/* The answer's "data" as JSON without its outer braces' siblings; an error as "code: text". Between T0 and T0 + 600 s unless the
 * text has its own times. base_free it. */
char *fixture_ask(fixture *f, const char *text, bool wants_series);
#define check_answer(f, text, want) check__answer((f), (text), false, (want), __FILE__, __LINE__)
#define check_series_answer(f, text, want)                                                         \
    check__answer((f), (text), true, (want), __FILE__, __LINE__)
void check__answer(fixture *f, const char *text, bool wants_series, const char *want,
                   const char *file, int line);

#endif
