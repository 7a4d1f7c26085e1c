/* The layer's test program: every group of cases, one after the other. */
#include "check.h"

TEST_MAIN(wire_protobuf, wire_json_read, wire_json_write, wire_json_number, wire_body)
