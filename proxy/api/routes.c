/* SPDX-License-Identifier: Apache-2.0 */
/* Which path is whose, of the service "api". */
#include "proxy/http/service.h"

const struct service_route api_routes[] = {
    {0},
};
