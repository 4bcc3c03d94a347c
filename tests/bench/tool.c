/* SPDX-License-Identifier: Apache-2.0 */
/* What the peers of `make bench-sms` share: see tool.h. */
#include "tests/bench/tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000u

void tool_die(const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "%s: ", program_invocation_short_name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

long tool_number(const char *what, const char *text, long least, long most)
{
    char *end = NULL;
    errno = 0;
    long number = strtol(text, &end, 0);
    if (errno != 0 || *text == '\0' || *end != '\0' || number < least || number > most)
        tool_die("%s: %s is not a number of %ld to %ld", what, text, least, most);
    return number;
}

uint64_t tool_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* ---- buffers ---- */

void tool_buffer_init(struct tool_buffer *buffer)
{
    *buffer = (struct tool_buffer){.data = malloc(TOOL_BUFFER_BYTES)};
    if (buffer->data == NULL)
        tool_die("out of memory");
}

void tool_buffer_free(struct tool_buffer *buffer)
{
    free(buffer->data);
    buffer->data = NULL;
}

uint8_t *tool_buffer_room(struct tool_buffer *buffer, size_t *room_out)
{
    if (buffer->start > 0) {
        memmove(buffer->data, buffer->data + buffer->start, buffer->end - buffer->start);
        buffer->end -= buffer->start;
        buffer->start = 0;
    }
    *room_out = TOOL_BUFFER_BYTES - buffer->end;
    return buffer->data + buffer->end;
}

enum tool_read tool_buffer_read(struct tool_buffer *buffer, int fd)
{
    size_t room = 0;
    uint8_t *to = tool_buffer_room(buffer, &room);
    if (room == 0)
        return TOOL_READ_NOTHING;
    ssize_t got = read(fd, to, room);
    if (got > 0) {
        buffer->end += (size_t)got;
        return TOOL_READ_SOME;
    }
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? TOOL_READ_NOTHING : TOOL_READ_END;
}

bool tool_buffer_write(struct tool_buffer *buffer, size_t until, int fd)
{
    while (buffer->start < until) {
        ssize_t put = send(fd, buffer->data + buffer->start, until - buffer->start, MSG_NOSIGNAL);
        if (put < 0)
            return errno == EAGAIN || errno == EINTR;
        buffer->start += (size_t)put;
    }
    return true;
}

/* ---- sockets ---- */

static void prepare(int fd)
{
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        tool_die("socket: %s", strerror(errno));
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int tool_connect(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        tool_die("connect to port %u: %s", port, strerror(errno));
    prepare(fd);
    return fd;
}

int tool_epoll(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        tool_die("epoll: %s", strerror(errno));
    return epoll;
}

void tool_watch(int epoll, int fd, bool write, void *arg, bool is_new)
{
    struct epoll_event event = {.events = EPOLLIN | (write ? (uint32_t)EPOLLOUT : 0),
                                .data.ptr = arg};
    if (epoll_ctl(epoll, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) != 0)
        tool_die("epoll: %s", strerror(errno));
}

/* ---- the server ---- */

enum { MARKS = 4096, EVENTS = 64 };

/* Answers up to `upto` (counted over the connection's life) may go out at `due`. */
struct mark {
    uint64_t due, upto;
};

struct served {
    int fd;
    bool watching_write;
    bool closing; /* once all is written */
    struct tool_buffer in, out;
    uint64_t gone; /* bytes written so far: out.start stands for this one */
    struct mark *marks;
    size_t first_mark, n_marks;
    struct served *previous, *next;
};

struct server {
    int epoll, listening;
    uint64_t latency;
    tool_serve_fn *serve;
    struct served *all;
};

static void served_end(struct server *server, struct served *one)
{
    close(one->fd);
    tool_buffer_free(&one->in);
    tool_buffer_free(&one->out);
    free(one->marks);
    if (one->previous != NULL)
        one->previous->next = one->next;
    else
        server->all = one->next;
    if (one->next != NULL)
        one->next->previous = one->previous;
    free(one);
}

static void served_accept(struct server *server)
{
    for (;;) {
        int fd = accept4(server->listening, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
                return;
            tool_die("accept: %s", strerror(errno));
        }
        prepare(fd);
        struct served *one = calloc(1, sizeof *one);
        if (one == NULL)
            tool_die("out of memory");
        one->fd = fd;
        tool_buffer_init(&one->in);
        tool_buffer_init(&one->out);
        if (server->latency > 0) {
            one->marks = calloc(MARKS, sizeof *one->marks);
            if (one->marks == NULL)
                tool_die("out of memory");
        }
        one->next = server->all;
        if (server->all != NULL)
            server->all->previous = one;
        server->all = one;
        tool_watch(server->epoll, fd, false, one, true);
    }
}

/* How far out may be written by now. */
static size_t served_due(struct server *server, struct served *one)
{
    if (server->latency == 0)
        return one->out.end;
    uint64_t now = tool_now(), upto = one->gone;
    while (one->n_marks > 0 && one->marks[one->first_mark].due <= now) {
        upto = one->marks[one->first_mark].upto;
        one->first_mark = (one->first_mark + 1) % MARKS;
        one->n_marks--;
    }
    return one->out.start + (size_t)(upto - one->gone);
}

/* False when it is over with this one. */
static bool served_write(struct server *server, struct served *one)
{
    size_t until = served_due(server, one);
    size_t from = one->out.start;
    if (!tool_buffer_write(&one->out, until, one->fd))
        return false;
    one->gone += one->out.start - from;
    bool held = one->out.start < until;
    if (held && server->latency > 0) {
        /* The socket is full: what is due stays due. */
        if (one->n_marks == MARKS)
            tool_die("too many answers wait");
        one->first_mark = (one->first_mark + MARKS - 1) % MARKS;
        one->marks[one->first_mark] =
            (struct mark){0, one->gone + (uint64_t)(until - one->out.start)};
        one->n_marks++;
    }
    if (held != one->watching_write) {
        tool_watch(server->epoll, one->fd, held, one, false);
        one->watching_write = held;
    }
    return !one->closing || one->out.start < one->out.end;
}

static bool served_answer(struct server *server, struct served *one)
{
    size_t room = 0, before = one->out.end - one->out.start;
    tool_buffer_room(&one->out, &room);
    if (server->serve(&one->in, &one->out) == TOOL_SERVED_CLOSE)
        one->closing = true;
    if (server->latency > 0 && one->out.end - one->out.start > before) {
        if (one->n_marks == MARKS)
            tool_die("too many answers wait");
        one->marks[(one->first_mark + one->n_marks) % MARKS] =
            (struct mark){tool_now() + server->latency, one->gone + one->out.end - one->out.start};
        one->n_marks++;
    }
    return served_write(server, one);
}

/* Writes what is due and answers what is there, as long as that goes. False: it is over. */
static bool served_go_on(struct server *server, struct served *one)
{
    for (;;) {
        size_t waiting = one->in.end - one->in.start;
        if (waiting == 0 || one->closing)
            return served_write(server, one);
        if (!served_answer(server, one))
            return false;
        if (one->in.end - one->in.start == waiting)
            return true; /* the rest of it is to come, or there is no room for an answer */
    }
}

static bool served_event(struct server *server, struct served *one, uint32_t events)
{
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) &&
        tool_buffer_read(&one->in, one->fd) == TOOL_READ_END)
        return false;
    return served_go_on(server, one);
}

/* Nanoseconds to the first answer that is due; -1: there is none. */
static int64_t next_due(const struct server *server)
{
    uint64_t first = UINT64_MAX;
    for (const struct served *one = server->all; one != NULL; one = one->next)
        if (one->n_marks > 0 && !one->watching_write && one->marks[one->first_mark].due < first)
            first = one->marks[one->first_mark].due;
    if (first == UINT64_MAX)
        return -1;
    uint64_t now = tool_now();
    return first > now ? (int64_t)(first - now) : 0;
}

static int wait_events(struct server *server, struct epoll_event *events)
{
    if (server->latency == 0)
        return epoll_wait(server->epoll, events, EVENTS, -1);
    int64_t left = next_due(server);
    struct timespec patience = {left / SECOND, left % SECOND};
    return epoll_pwait2(server->epoll, events, EVENTS, left < 0 ? NULL : &patience, NULL);
}

static void write_due(struct server *server)
{
    for (struct served *one = server->all, *next = NULL; one != NULL; one = next) {
        next = one->next;
        if (one->n_marks > 0 && !one->watching_write &&
            one->marks[one->first_mark].due <= tool_now() && !served_go_on(server, one))
            served_end(server, one);
    }
}

void tool_serve(uint16_t port, uint64_t latency, tool_serve_fn *serve)
{
    struct server server = {.latency = latency, .serve = serve, .epoll = tool_epoll()};
    struct sockaddr_in address = loopback(port);
    int on = 1;
    server.listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (server.listening < 0 ||
        setsockopt(server.listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(server.listening, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server.listening, 1024) != 0)
        tool_die("port %u: %s", port, strerror(errno));
    tool_watch(server.epoll, server.listening, false, &server, true);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = wait_events(&server, events);
        if (n < 0 && errno != EINTR)
            tool_die("epoll: %s", strerror(errno));
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &server)
                served_accept(&server);
            else if (!served_event(&server, events[i].data.ptr, events[i].events))
                served_end(&server, events[i].data.ptr);
        }
        if (latency > 0)
            write_due(&server);
    }
}

struct tool_count *tool_count_open(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || ftruncate(fd, sizeof(struct tool_count)) != 0)
        tool_die("%s: %s", path, strerror(errno));
    void *mapped = mmap(NULL, sizeof(struct tool_count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        tool_die("%s: %s", path, strerror(errno));
    close(fd);
    return mapped;
}

/* ---- HTTP ---- */

static bool name_is(const uint8_t *line, size_t length, const char *name, const uint8_t **value)
{
    size_t n = strlen(name);
    if (length <= n || line[n] != ':' || strncasecmp((const char *)line, name, n) != 0)
        return false;
    for (n++; n < length && line[n] == ' '; n++)
        ;
    *value = line + n;
    return true;
}

static void read_field(const uint8_t *line, size_t length, struct tool_http *out)
{
    const uint8_t *value = NULL;
    if (name_is(line, length, "content-length", &value)) {
        for (; value < line + length && *value >= '0' && *value <= '9'; value++)
            out->body_length = out->body_length * 10 + (size_t)(*value - '0');
        if (value != line + length || out->body_length > TOOL_BUFFER_BYTES / 2)
            tool_die("a Content-Length that is no good");
    } else if (name_is(line, length, "connection", &value)) {
        out->close = (size_t)(line + length - value) == 5 &&
                     strncasecmp((const char *)value, "close", 5) == 0;
    } else if (name_is(line, length, "transfer-encoding", &value)) {
        tool_die("a body without Content-Length");
    }
}

void tool_http_read(const uint8_t *bytes, size_t length, bool response, struct tool_http *out)
{
    *out = (struct tool_http){0};
    if (length == 0)
        return;
    const uint8_t *end = memmem(bytes, length, "\r\n\r\n", 4);
    if (end == NULL) {
        if (length >= TOOL_BUFFER_BYTES)
            tool_die("a header without end");
        return;
    }
    if (response) {
        if (end - bytes < 12 || memcmp(bytes, "HTTP/1.", 7) != 0)
            tool_die("an answer that is not HTTP");
        for (int i = 9; i < 12; i++)
            out->status = out->status * 10 + (unsigned)(bytes[i] - '0');
    }
    const uint8_t *line = memmem(bytes, (size_t)(end + 2 - bytes), "\r\n", 2);
    while (line < end) {
        line += 2;
        const uint8_t *next = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        read_field(line, (size_t)(next - line), out);
        line = next;
    }
    size_t head = (size_t)(end - bytes) + 4;
    out->body = bytes + head;
    if (length >= head + out->body_length)
        out->length = head + out->body_length;
}
