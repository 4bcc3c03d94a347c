/* SPDX-License-Identifier: Apache-2.0 */
/* How long one is signed in to the console, and whether another says who it is. */
#include "base/str.h"
#include "config/build.h"

#include <string.h>

/* What browsers send, or the balancer says of other things: no name of anybody. */
static bool is_taken(const char *name)
{
    static const char *const others[] = {
        "Accept",         "Accept-Encoding",   "Accept-Language",  "Authorization",   "Connection",
        "Content-Length", "Content-Type",      "Cookie",           "Forwarded",       "Host",
        "Origin",         "Referer",           "User-Agent",       "X-Forwarded-For", "Via",
        "Range",          "X-Forwarded-Proto", "Transfer-Encoding"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (ascii_equal(name, others[i]))
            return true;
    return ascii_has_prefix(name, "Sec-");
}

static bool somebody_is_trusted(const struct config *config)
{
    for (size_t i = 0; i < config->n_listeners; i++)
        if ((config->listeners[i].services & SERVICE_CONSOLE) != 0 &&
            config->listeners[i].n_trusted > 0)
            return true;
    return false;
}

static void check_identity(struct build *build, const struct node *group, const char *name)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
    struct node *node = build_node(group, "identity_header");
    if (node == NULL || name[0] == '\0')
        return;
    if (name[strspn(name, plain)] != '\0')
        node_problem(build->problems, node, "\"%s\" is no name of a field such as \"Remote-User\"",
                     name);
    else if (is_taken(name))
        node_problem(build->problems, node, "%s is sent by browsers themselves", name);
    else if (!somebody_is_trusted(build->config))
        node_problem(build->problems, node,
                     "is taken from a balancer in `trusted` of a listener with \"console\", and "
                     "there is none");
}

void build_console(struct build *build)
{
    /* With its pattern, so that the defaults are found where there is no such group. */
    static const struct node none = {.type = NODE_GROUP, .pattern = "console"};
    const struct node *group = node_child(build->tree->root, "console");
    if (group == NULL || group->type != NODE_GROUP)
        group = &none;
    struct console_config *console = &build->config->console;
    console->session_idle = build_number(group, "session_idle");
    console->session_most = build_number(group, "session_most");
    console->identity_header = build_text(build, group, "identity_header");
    check_identity(build, group, console->identity_header);
}
