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

enum result visit_send_pieces(struct visit *visit, const struct visit_pieces *pieces,
                              const char *type, const char *name, struct error *err)
{
    enum result result = send_as(visit, -1, type, name, err);
    if (result == RESULT_OK)
        visit->send->pieces = *pieces;
    else
        pieces->free(pieces->own);
    return result;
}

void visit_send_drop(struct visit *visit)
{
    struct visit_send *send = visit->send;
    if (send == NULL)
        return;
    if (send->fd >= 0)
        close(send->fd);
    if (send->pieces.own != NULL)
        send->pieces.free(send->pieces.own);
    visit->send = NULL;
}
