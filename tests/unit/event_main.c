/*
 * tests/unit/event_main.c: the event layer's tests.
 */
#include "check.h"

extern const test_group event_types, event_value, event_histogram, event_batch, event_codec,
    event_tree;

int main(int argc, char **argv)
{
    const test_group groups[] = {event_types, event_value, event_histogram,
                                 event_batch, event_codec, event_tree};
    return check__run(argc, argv, groups, COUNT_OF(groups));
}
