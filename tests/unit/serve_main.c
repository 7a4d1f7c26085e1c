/* Tests of serve by C alone; those with real clients are in tests/flow/test_transport.py. */
#include "check.h"

TEST_MAIN(serve_pure, serve_http1, serve_server)
