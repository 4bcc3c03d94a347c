/* SPDX-License-Identifier: Apache-2.0 */
/* Which path is whose, of the service "unsubscribe". */
#include "proxy/http/service.h"

const struct service_route unsubscribe_routes[] = {
    {0},
};
