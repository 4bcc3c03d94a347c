/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/net/inlet.h"

#include "base/str.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum result inlets_add(struct inlets *inlets, const char *bind_text, int fd, bool lent,
                       struct error *err)
{
    if (inlets->n == inlets->room) {
        size_t room = inlets->room == 0 ? 16 : 2 * inlets->room;
        struct inlet *list = realloc(inlets->list, room * sizeof(*list));
        if (list == NULL) {
            close(fd);
            return error_no_memory(err);
        }
        inlets->list = list;
        inlets->room = room;
    }
    struct inlet *inlet = &inlets->list[inlets->n];
    if (!str_copy(inlet->bind, sizeof(inlet->bind), bind_text)) {
        close(fd);
        return error_set(err, RESULT_BAD_INPUT, "the address of a listening socket is too long");
    }
    inlet->fd = fd;
    inlet->lent = lent;
    inlets->n++;
    return RESULT_OK;
}

size_t inlets_count(const struct inlets *inlets, const char *bind_text)
{
    size_t count = 0;
    for (size_t i = 0; i < inlets->n; i++)
        count += strcmp(inlets->list[i].bind, bind_text) == 0;
    return count;
}

const struct inlet *inlets_nth(const struct inlets *inlets, const char *bind_text, size_t nth)
{
    size_t count = inlets_count(inlets, bind_text);
    if (count == 0)
        return NULL;
    nth %= count;
    for (size_t i = 0; i < inlets->n; i++)
        if (strcmp(inlets->list[i].bind, bind_text) == 0 && nth-- == 0)
            return &inlets->list[i];
    return NULL;
}

void inlets_cut(struct inlets *inlets, size_t nth)
{
    while (inlets->n > nth)
        close(inlets->list[--inlets->n].fd);
}

void inlets_drop(struct inlets *inlets, const char *bind_text)
{
    size_t kept = 0;
    for (size_t i = 0; i < inlets->n; i++) {
        if (strcmp(inlets->list[i].bind, bind_text) == 0)
            close(inlets->list[i].fd);
        else
            inlets->list[kept++] = inlets->list[i];
    }
    inlets->n = kept;
}

void inlets_free(struct inlets *inlets)
{
    inlets_cut(inlets, 0);
    free(inlets->list);
    *inlets = (struct inlets){0};
}

bool inlet_matches(const struct listener_config *listener, const struct sockaddr *address,
                   bool v6_only)
{
    const struct sockaddr *wanted = (const struct sockaddr *)&listener->address;
    if (wanted->sa_family != address->sa_family)
        return false;
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *a = (const struct sockaddr_in *)wanted;
        const struct sockaddr_in *b = (const struct sockaddr_in *)address;
        return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
    }
    if (address->sa_family != AF_INET6)
        return false;
    const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)wanted;
    const struct sockaddr_in6 *b = (const struct sockaddr_in6 *)address;
    if (a->sin6_port != b->sin6_port || memcmp(&a->sin6_addr, &b->sin6_addr, 16) != 0)
        return false;
    /* "*" is every address of both families; nothing else may be deaf to one of them or hear more
     * than it asked for. */
    bool any = IN6_IS_ADDR_UNSPECIFIED(&b->sin6_addr);
    return !any || v6_only == (listener->bind[0] != '*');
}
