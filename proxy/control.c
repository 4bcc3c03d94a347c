/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/control.h"

#include "base/clock.h"
#include "store/state_lock.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define REQUEST_MAX (64 * 1024)
#define REPLY_MAX   (16 * 1024 * 1024)
#define PATIENCE_S  10

struct control {
    struct evconnlistener *socket; /* owned */
    struct event *retry;           /* owned */
    control_fn *handle;
    control_take_fn *take;
    void *arg;                          /* borrowed */
    int folder;                         /* state_dir, open */
    struct conversation *conversations; /* owned */
};

struct conversation {
    struct conversation *next, **link;
    struct control *control;
    struct bufferevent *bev; /* owned */
};

/* A socket's path may have only 107 bytes, a state directory's more: the way through /proc always
 * fits. */
static void socket_address(int folder, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/control.sock", folder);
}

static int open_folder(const char *state_dir)
{
    return open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void end_conversation(struct conversation *conversation)
{
    *conversation->link = conversation->next;
    if (conversation->next != NULL)
        conversation->next->link = conversation->link;
    bufferevent_free(conversation->bev);
    free(conversation);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    (void)what;
    end_conversation(arg);
}

static void on_written(struct bufferevent *bev, void *arg)
{
    (void)bev;
    end_conversation(arg);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct conversation *conversation = arg;
    struct control *control = conversation->control;
    struct evbuffer *input = bufferevent_get_input(bev);
    char *line = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF);
    if (line == NULL) {
        if (evbuffer_get_length(input) > REQUEST_MAX)
            end_conversation(conversation);
        return;
    }
    /* Not a duplicate: a loop may not watch two descriptors of one socket (loop.c). */
    int fd = bufferevent_getfd(bev);
    bufferevent_setfd(bev, -1);
    if (control->take(control->arg, line, fd)) {
        end_conversation(conversation);
        free(line);
        return;
    }
    bufferevent_setfd(bev, fd);
    struct strbuf reply = {0};
    control->handle(control->arg, line, &reply);
    strbuf_add_char(&reply, '\n');
    free(line);
    bufferevent_disable(bev, EV_READ);
    bool ok = !reply.failed && bufferevent_write(bev, reply.data, reply.length) == 0;
    strbuf_free(&reply);
    if (ok)
        bufferevent_setcb(bev, NULL, on_written, on_event, conversation);
    else
        end_conversation(conversation);
}

static void on_accept(struct evconnlistener *socket, evutil_socket_t fd, struct sockaddr *peer,
                      int length, void *arg)
{
    (void)peer;
    (void)length;
    struct control *control = arg;
    struct timeval patience = {.tv_sec = PATIENCE_S};
    struct bufferevent *bev =
        bufferevent_socket_new(evconnlistener_get_base(socket), fd, BEV_OPT_CLOSE_ON_FREE);
    struct conversation *conversation = calloc(1, sizeof(*conversation));
    if (bev == NULL || conversation == NULL) {
        if (bev != NULL)
            bufferevent_free(bev);
        else
            close(fd);
        free(conversation);
        return;
    }
    conversation->control = control;
    conversation->bev = bev;
    conversation->link = &control->conversations;
    conversation->next = control->conversations;
    if (conversation->next != NULL)
        conversation->next->link = &conversation->next;
    control->conversations = conversation;
    bufferevent_setcb(bev, on_read, NULL, on_event, conversation);
    bufferevent_set_timeouts(bev, &patience, &patience);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

/* Descriptors have run out: without a pause the loop would come here again at once. */
static void on_accept_error(struct evconnlistener *socket, void *arg)
{
    struct control *control = arg;
    struct timeval pause = {.tv_sec = 1};
    evconnlistener_disable(socket);
    event_add(control->retry, &pause);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    evconnlistener_enable(((struct control *)arg)->socket);
}

enum result control_new(const char *state_dir, struct loop *loop, control_fn *handle,
                        control_take_fn *take, void *arg, struct control **control_out,
                        struct error *err)
{
    struct control *control = calloc(1, sizeof(*control));
    if (control == NULL)
        return error_no_memory(err);
    control->handle = handle;
    control->take = take;
    control->arg = arg;
    control->folder = open_folder(state_dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un address;
    socket_address(control->folder, &address);
    unlinkat(control->folder, "control.sock", 0);
    mode_t before = umask(0177);
    bool ok = control->folder >= 0 && fd >= 0 &&
              bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 16) == 0;
    int code = errno;
    umask(before);
    control->retry = event_new(loop_base(loop), -1, 0, on_retry, control);
    if (ok && control->retry != NULL)
        control->socket =
            evconnlistener_new(loop_base(loop), on_accept, control, LEV_OPT_CLOSE_ON_FREE, 0, fd);
    if (control->socket == NULL) {
        if (fd >= 0)
            close(fd);
        control_free(&control);
        return error_errno(err, RESULT_SYSTEM, ok ? ENOMEM : code,
                           "cannot listen on %s/control.sock", state_dir);
    }
    evconnlistener_set_error_cb(control->socket, on_accept_error);
    *control_out = control;
    return RESULT_OK;
}

void control_free(struct control **control)
{
    if (*control == NULL)
        return;
    if ((*control)->socket != NULL) {
        evconnlistener_free((*control)->socket);
        unlinkat((*control)->folder, "control.sock", 0);
    }
    if ((*control)->retry != NULL)
        event_free((*control)->retry);
    for (struct conversation *next, *each = (*control)->conversations; each != NULL; each = next) {
        /* What was answered still goes out, if the socket takes it. */
        struct evbuffer *output = bufferevent_get_output(each->bev);
        size_t length = evbuffer_get_length(output);
        if (length > 0)
            (void)send(bufferevent_getfd(each->bev), evbuffer_pullup(output, -1), length,
                       MSG_NOSIGNAL | MSG_DONTWAIT);
        next = each->next;
        bufferevent_free(each->bev);
        free(each);
    }
    if ((*control)->folder >= 0)
        close((*control)->folder);
    free(*control);
    *control = NULL;
}

static enum result exchange(int fd, const char *request, struct strbuf *reply, struct error *err)
{
    /* In one piece, so that a gateway that answers and closes at once is still heard. */
    struct strbuf line = {0};
    strbuf_add_str(&line, request);
    strbuf_add_char(&line, '\n');
    bool composed = !line.failed;
    ssize_t sent = composed ? send(fd, line.data, line.length, MSG_NOSIGNAL) : 0;
    int code = errno;
    bool whole = composed && sent == (ssize_t)line.length;
    strbuf_free(&line);
    if (!composed)
        return error_no_memory(err);
    if (!whole && sent < 0 && (code == EPIPE || code == ECONNRESET))
        return error_set(err, RESULT_NOT_FOUND, "the gateway's answer was cut off");
    if (!whole)
        return error_errno(err, RESULT_SYSTEM, code, "cannot ask the gateway");
    while (reply->length == 0 || reply->data[reply->length - 1] != '\n') {
        char chunk[4096];
        ssize_t got = recv(fd, chunk, sizeof(chunk), 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (reply->length == 0 && (got == 0 || (got < 0 && errno == ECONNRESET)))
            return error_set(err, RESULT_NOT_FOUND, "the gateway's answer was cut off");
        if (got < 0)
            return error_errno(err, RESULT_UNAVAILABLE, errno, "the gateway does not answer");
        if (got == 0)
            return error_set(err, RESULT_UNAVAILABLE, "the gateway's answer was cut off");
        strbuf_add(reply, chunk, (size_t)got);
        if (reply->failed)
            return error_no_memory(err);
        if (reply->length > REPLY_MAX)
            return error_set(err, RESULT_SYSTEM, "the gateway's answer is too long");
    }
    reply->data[--reply->length] = '\0';
    return RESULT_OK;
}

static enum result connect_to(int folder, const char *state_dir, int *fd_out, struct error *err)
{
    struct sockaddr_un address;
    socket_address(folder, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot make a socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
        *fd_out = fd;
        return RESULT_OK;
    }
    int code = errno;
    close(fd);
    if (code == ENOENT || code == ECONNREFUSED)
        return error_set(err, RESULT_NOT_FOUND, "the gateway is not running (%s)", state_dir);
    return error_errno(err, RESULT_SYSTEM, code, "cannot reach the gateway");
}

static enum result open_state(const char *state_dir, int *folder_out, struct error *err)
{
    *folder_out = open_folder(state_dir);
    if (*folder_out < 0)
        return error_errno(err, RESULT_SYSTEM, errno, "cannot open the state directory %s",
                           state_dir);
    return RESULT_OK;
}

enum result control_connect(const char *state_dir, int *fd_out, struct error *err)
{
    int folder;
    enum result result = open_state(state_dir, &folder, err);
    if (result != RESULT_OK)
        return result;
    result = connect_to(folder, state_dir, fd_out, err);
    close(folder);
    return result;
}

static enum result ask(int folder, const char *state_dir, const char *request, struct strbuf *reply,
                       bool *reached, struct error *err)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd;
    enum result result = connect_to(folder, state_dir, &fd, err);
    if (result != RESULT_OK)
        return result;
    *reached = true;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    result = exchange(fd, request, reply, err);
    close(fd);
    return result;
}

/* While one process follows another the lock is free for an instant between two looks. */
static enum result ask_patiently(int folder, const char *state_dir, const char *request,
                                 struct strbuf *reply, struct error *err)
{
    int64_t until = clock_monotonic() + PATIENCE_S * CLOCK_SECOND;
    int seen_free = 0;
    bool reached = false;
    for (;;) {
        enum result result = ask(folder, state_dir, request, reply, &reached, err);
        if (result != RESULT_NOT_FOUND)
            return result;
        seen_free = state_lock_held(state_dir) ? 0 : seen_free + 1;
        /* Between two of them nobody has it, for a moment. */
        if (seen_free > (reached ? 20 : 2))
            return reached ? error_set(err, RESULT_UNAVAILABLE, "the gateway's answer was cut off")
                           : error_set(err, RESULT_UNAVAILABLE, "the gateway is not running (%s)",
                                       state_dir);
        if (clock_monotonic() >= until)
            return error_set(err, RESULT_UNAVAILABLE,
                             "the gateway is being started or ended, try again (%s)", state_dir);
        clock_sleep(CLOCK_SECOND / 20);
    }
}

enum result control_call(const char *state_dir, const char *request, struct strbuf *reply,
                         struct error *err)
{
    int folder;
    enum result result = open_state(state_dir, &folder, err);
    if (result != RESULT_OK)
        return result;
    result = ask_patiently(folder, state_dir, request, reply, err);
    close(folder);
    return result;
}
