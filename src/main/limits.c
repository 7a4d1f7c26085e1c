/*
 * main/limits.c: what this machine, or the container around the process, allows. Called once at start.
 */
#include "main/limits.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

/* The cgroup v2 bound of the whole container; UINT64_MAX when there is none ("max" or no file). */
static uint64_t cgroup_memory(void)
{
    uint8_t *bytes;
    size_t len;
    uint64_t limit = UINT64_MAX;
    if (file_read_all("/sys/fs/cgroup/memory.max", 64, &bytes, &len, NULL) != SK_OK)
        return limit;
    if (!span_to_u64(span_trim(span_of(bytes, len)), &limit))
        limit = UINT64_MAX;
    base_free(bytes);
    return limit;
}

uint64_t limits_memory_bytes(void)
{
    uint64_t ram = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE),
             cgroup = cgroup_memory();
    uint64_t share = (cgroup < ram ? cgroup : ram) / 4;
    return share < 2 * GIB ? share : 2 * GIB;
}

uint64_t limits_disk_bytes(uint64_t free_bytes)
{
    uint64_t half = free_bytes / 2 < 20 * GIB ? free_bytes / 2 : 20 * GIB;
    return half > LIMITS_DISK_MIN ? half : LIMITS_DISK_MIN;
}
