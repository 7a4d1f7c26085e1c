/* The tests of serve that need no socket of a client; those with real ones are in tests/flow/test_transport.py. */
#include "check.h"

TEST_MAIN(serve_pure, serve_http1)
