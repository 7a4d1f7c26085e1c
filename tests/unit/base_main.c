/* The layer's test program: every group of cases, one after the other. */
#include "check.h"

TEST_MAIN(base_span, base_number, base_err, base_allocation, base_arena, base_buf, base_reader,
          base_hash, base_intern, base_clock, base_thread, base_queue, base_memory, base_file,
          base_faults, base_fault_names)
