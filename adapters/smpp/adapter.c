#include "adapters/internal.h"
const struct adapter_ops smpp_ops;
