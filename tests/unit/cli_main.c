/*
 * tests/unit/cli_main.c: the unit tests of layer cli: what is printed, from fixed inputs.
 */
#include "check.h"

TEST_MAIN(cli_term, cli_table, cli_chart, cli_waterfall, cli_trace_file, cli_options, cli_view,
          cli_api, cli_load)
