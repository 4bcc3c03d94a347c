/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/openapi.yaml: the description of this interface, for programs and for who writes them. It
 * tells nothing of this gateway, so no token is asked for. It is read anew each time, from the page
 * cache: some thirty kilobytes.
 */
#include "base/file.h"
#include "base/log.h"
#include "proxy/api/work.h"

#include <stdlib.h>

#define DESCRIPTION_MOST ((size_t)1024 * 1024)
#define DESCRIPTION      PKGDATADIR "/openapi.yaml"
/* For running from a build tree: looked at instead of what is installed. */
#define DESCRIPTION_VARIABLE "OCTROI_OPENAPI"

void api_description(struct service_call *call)
{
    static const char *const no_parameters[] = {NULL};
    const char *path = getenv(DESCRIPTION_VARIABLE);
    struct error err = {0};
    struct strbuf text = {0};
    if (!api_query(call, no_parameters))
        return;
    enum result result =
        file_read(path != NULL ? path : DESCRIPTION, DESCRIPTION_MOST, &text, &err);
    if (result == RESULT_OK) {
        http_answer(&call->http, 200, "application/yaml");
        strbuf_free(&call->http.answer.body);
        call->http.answer.body = text;
        service_answer(call);
        return;
    }
    strbuf_free(&text);
    log_event(LOG_LEVEL_WARN, "the description of the interface cannot be read",
              LOG_TEXT("reason", err.text));
    service_problem(call, 503, "unable", "The gate cannot answer this now",
                    "The description is not installed, or cannot be read.");
}
