/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /console/static/NAME: the style sheet, the scripts and the icon. They tell nothing of this
 * gateway, so nobody is asked who he is. Chart.js is the system's own (Debian: libjs-chart.js);
 * where it is not installed the pages show their tables alone.
 */
#include "base/file.h"
#include "base/log.h"
#include "proxy/console/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASSET_MOST ((size_t)2 * 1024 * 1024)
#define ASSETS     PKGDATADIR "/console"
/* For running from a build tree: looked at instead of what is installed. */
#define ASSETS_VARIABLE "OCTROI_CONSOLE"

static const struct {
    const char *name, *type;
    const char *path; /* NULL: among our own */
} assets[] = {
    {"console.css", "text/css; charset=utf-8", NULL},
    {"console.js", "text/javascript; charset=utf-8", NULL},
    {"icon.svg", "image/svg+xml", NULL},
    {"chart.js", "text/javascript; charset=utf-8", CHART_JS},
};

static enum result read_asset(size_t i, struct strbuf *text, struct error *err)
{
    const char *folder = getenv(ASSETS_VARIABLE);
    struct strbuf path = {0};
    if (assets[i].path != NULL)
        return file_read(assets[i].path, ASSET_MOST, text, err);
    strbuf_add_format(&path, "%s/%s", folder != NULL ? folder : ASSETS, assets[i].name);
    enum result result =
        path.failed ? error_no_memory(err) : file_read(path.data, ASSET_MOST, text, err);
    strbuf_free(&path);
    return result;
}

void console_asset(struct service_call *call)
{
    struct strbuf text = {0};
    struct error err = {0};
    size_t i = 0;
    while (i < sizeof(assets) / sizeof(assets[0]) &&
           strcmp(assets[i].name, call->http.tails[0]) != 0)
        i++;
    if (i == sizeof(assets) / sizeof(assets[0])) {
        service_problem(call, 404, "http-404", "Not Found", "There is nothing here.");
        return;
    }
    if (read_asset(i, &text, &err) != RESULT_OK) {
        strbuf_free(&text);
        log_event(LOG_LEVEL_WARN, "a part of the console cannot be read",
                  LOG_TEXT("name", assets[i].name), LOG_TEXT("reason", err.text));
        service_problem(call, 404, "http-404", "Not Found", "It is not installed.");
        return;
    }
    http_answer(&call->http, 200, assets[i].type);
    strbuf_free(&call->http.answer.body);
    call->http.answer.body = text;
    call->http.answer.cache =
        "public, max-age=300"; /* long enough for a visit, short after an upgrade */
    service_answer(call);
}
