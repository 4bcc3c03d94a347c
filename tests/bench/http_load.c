/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_load [-c CONNECTIONS] … PORT RECIPIENTS REQUEST: sends the HTTP request in the file REQUEST
 * over some kept connections, one at a time on each, with another recipient each time in the place
 * of "33600000000", for SECONDS or up to MESSAGES; awaits every answer and prints what load.h says.
 *
 * The clock runs from the first request to the last answer: connecting is not in it. How it was
 * answered is counted by status. A peer that closes a connection ends it.
 */
#include "tests/bench/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 64, CONNECTIONS_MAX = 1000, REQUEST_MAX = 8192 };

static const char placeholder[] = "33600000000";

struct connection {
    int fd;
    bool watching_write;
    bool waiting;
    uint64_t since;
    struct tool_buffer in, out;
};

static struct load load;
static unsigned n_connections = 1;
static struct connection *connections;
static int epoll;
static uint8_t request[REQUEST_MAX];
static size_t request_length, number_at;

static void read_request(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        tool_die("%s: %s", path, strerror(errno));
    request_length = fread(request, 1, sizeof request, file);
    if (ferror(file) || !feof(file))
        tool_die("%s: it cannot be read, or is longer than %d bytes", path, REQUEST_MAX);
    fclose(file);
    const uint8_t *at = memmem(request, request_length, placeholder, TOOL_NUMBER_BYTES);
    if (at == NULL)
        tool_die("%s: no place for the recipient (%s)", path, placeholder);
    number_at = (size_t)(at - request);
}

static void flush(struct connection *connection)
{
    if (!tool_buffer_write(&connection->out, connection->out.end, connection->fd))
        tool_die("the peer is gone");
    bool held = connection->out.start < connection->out.end;
    if (held != connection->watching_write)
        tool_watch(epoll, connection->fd, held, connection, false);
    connection->watching_write = held;
}

static void ask(struct connection *connection, uint64_t now)
{
    if (connection->waiting || !load_goes_on(&load, now))
        return;
    size_t room = 0;
    uint8_t *to = tool_buffer_room(&connection->out, &room);
    memcpy(to, request, request_length);
    memcpy(to + number_at, load_next(&load), TOOL_NUMBER_BYTES);
    connection->out.end += request_length;
    connection->since = now;
    connection->waiting = true;
    flush(connection);
}

static void take(struct connection *connection)
{
    if (tool_buffer_read(&connection->in, connection->fd) == TOOL_READ_END)
        tool_die("the peer closed");
    struct tool_http answer;
    tool_http_read(connection->in.data + connection->in.start,
                   connection->in.end - connection->in.start, true, &answer);
    if (answer.length == 0)
        return;
    if (!connection->waiting || answer.length != connection->in.end - connection->in.start)
        tool_die("an answer to nothing");
    uint64_t now = tool_now();
    connection->in.start = connection->in.end;
    connection->waiting = false;
    load_answered(&load, answer.status, connection->since, now);
    if (answer.close)
        tool_die("the peer wants to close (status %u)", answer.status);
    ask(connection, now);
}

static void open_all(void)
{
    for (unsigned i = 0; i < n_connections; i++) {
        connections[i].fd = tool_connect(load.port);
        tool_buffer_init(&connections[i].in);
        tool_buffer_init(&connections[i].out);
        tool_watch(epoll, connections[i].fd, false, &connections[i], true);
    }
}

static void turn(void)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll, events, EVENTS, (int)(LOAD_PATIENCE / 1000000));
    if (n < 0 && errno != EINTR)
        tool_die("epoll: %s", strerror(errno));
    if (n == 0)
        tool_die("no answer for a minute");
    for (int i = 0; i < n; i++) {
        if (events[i].events & EPOLLOUT)
            flush(events[i].data.ptr);
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            take(events[i].data.ptr);
    }
}

int main(int argc, char **argv)
{
    for (int option = 0; (option = getopt(argc, argv, LOAD_OPTIONS "c:")) != -1;) {
        if (option == 'c')
            n_connections = (unsigned)tool_number("-c", optarg, 1, CONNECTIONS_MAX);
        else if (!load_option(&load, option, optarg))
            return 2;
    }
    if (argc - optind != 3) {
        fputs("usage: http_load [-c CONNECTIONS] " LOAD_USAGE_REST " REQUEST\n", stderr);
        return 2;
    }
    load_open(&load, argv[optind], argv[optind + 1]);
    read_request(argv[optind + 2]);
    connections = calloc(n_connections, sizeof *connections);
    if (connections == NULL)
        tool_die("out of memory");
    epoll = tool_epoll();
    open_all();
    load.began = tool_now();
    for (unsigned i = 0; i < n_connections; i++)
        ask(&connections[i], load.began);
    while (load.answered < load.sent || load_goes_on(&load, tool_now()))
        turn();
    for (unsigned i = 0; i < n_connections; i++) {
        close(connections[i].fd);
        tool_buffer_free(&connections[i].in);
        tool_buffer_free(&connections[i].out);
    }
    free(connections);
    load_report(&load);
    return EXIT_SUCCESS;
}
