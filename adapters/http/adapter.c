#include "adapters/internal.h"
const struct adapter_ops http_ops;
