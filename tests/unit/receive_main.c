/* tests/unit/receive_main.c: the groups of layer receive. */
#include "check.h"

TEST_MAIN(receive_golden, receive_traces, receive_limits, receive_json, receive_reply,
          receive_faults)
