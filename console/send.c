/* SPDX-License-Identifier: Apache-2.0 */
#include "console/send.h"

#include <string.h>
#include <unistd.h>

static enum result send_as(struct visit *visit, int fd, const char *type, const char *name,
                           struct error *err)
{
    struct visit_send *send = arena_alloc(visit->arena, sizeof(*send));
    char *copy = arena_str(visit->arena, name);
    if (send == NULL || copy == NULL) {
        if (fd >= 0)
            close(fd);
        return error_no_memory(err);
    }
    /* It stands in a header, in quotes. */
    for (char *at = copy; *at != '\0'; at++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.", *at) ==
            NULL)
            *at = '-';
    *send = (struct visit_send){.fd = fd, .type = type, .name = copy};
    visit->send = send;
    visit->status = 200;
    return RESULT_OK;
}

enum result visit_send_file(struct visit *visit, int fd, const char *type, const char *name,
                            struct error *err)
{
    return send_as(visit, fd, type, name, err);
}

enum result visit_send_text(struct visit *visit, const char *type, const char *name,
                            struct error *err)
{
    return send_as(visit, -1, type, name, err);
}

void visit_send_drop(struct visit *visit)
{
    if (visit->send != NULL && visit->send->fd >= 0)
        close(visit->send->fd);
    visit->send = NULL;
}
