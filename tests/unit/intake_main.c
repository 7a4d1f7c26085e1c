/* tests/unit/intake_main.c: the intake's unit tests. */
#include "check.h"

TEST_MAIN(intake_submitting, intake_policy, intake_redaction, intake_books)
