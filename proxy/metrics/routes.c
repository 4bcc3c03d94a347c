/* SPDX-License-Identifier: Apache-2.0 */
/* Which path is whose, of the service "metrics". */
#include "proxy/http/service.h"

const struct service_route metrics_routes[] = {
    {0},
};
