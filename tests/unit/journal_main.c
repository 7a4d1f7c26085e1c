/* tests/unit/journal_main.c: the journal's unit tests. */
#include "check.h"

TEST_MAIN(journal_appending, journal_recovery, journal_reuse)
