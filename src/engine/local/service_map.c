#include "engine/local/local_private.h"
sk_code local__service_map(engine *e, uint32_t environment, int64_t start_ns, int64_t end_ns,
                           const run_control *c, arena *mem, service_map *ret, err *er)
{
    return err_set(er, SK_UNIMPLEMENTED, "the service map is not served yet");
}
