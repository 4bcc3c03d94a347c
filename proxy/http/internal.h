/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share on the side of evhttp. Read them in the order of a request's
 * life: server.c (doors), connection.c (connections and their time), framing.c (whether all see the
 * same in their bytes), strangers.c (what is read of them before they are known), client.c (whose
 * request it is), routes.c, request.c (from its arrival to its answer), auth.c (its account),
 * send.c (its answer's bytes); then hook.c for what providers call, service.c for what is not SMS.
 * call.h and shape.h are the side of the shapes, service.h that of the services.
 */
#ifndef OCTROI_PROXY_HTTP_INTERNAL_H
#define OCTROI_PROXY_HTTP_INTERNAL_H

#include "base/deadline.h"
#include "base/flush.h"
#include "base/sockaddr.h"
#include "proxy/http/server.h"
#include "proxy/http/service.h"
#include "proxy/http/shape.h"
#include "proxy/net/admission.h"
#include "store/record.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <sys/queue.h>

#define HTTP_HEADERS_MAX    (32 * 1024)
#define HTTP_CHUNK_LINE_MAX (16 * 1024) /* also of what follows in a request that is not clear */

struct http_request;

enum http_state {
    HTTP_BORN,      /* evhttp is about to take it; nothing is known of it */
    HTTP_WAITING,   /* for a request's first byte; under TLS also for the handshake */
    HTTP_READING,   /* a request comes in */
    HTTP_WORKING,   /* its answer is being made; the peer is not read */
    HTTP_ANSWERING, /* the answer is on its way out */
    HTTP_MAKING,    /* … so far as it is made; the next piece of it is being made */
    HTTP_GONE,      /* evhttp let go of it; freed when the loop comes round */
    HTTP_STATE_COUNT
};

/* Where in a request its bytes are. */
struct http_framing {
    enum {
        FRAMING_FIRST, /* its first line */
        FRAMING_FIELDS,
        FRAMING_SIZE, /* of a chunk */
        FRAMING_DATA,
        FRAMING_DATA_END, /* the line end behind it */
        FRAMING_TRAILERS,
        FRAMING_REST /* a body of so many bytes, and what is behind the request: not looked at */
    } part;
    bool odd;          /* for good */
    bool cr;           /* the last byte was one */
    bool old, chunked; /* HTTP/1.0; a coding is named */
    bool extended;     /* behind the chunk's size */
    uint8_t spaces;    /* of the first line */
    size_t length;     /* of the line so far */
    size_t matched;    /* … of what it may begin with */
    uint64_t left;     /* of the chunk */
};

/* evhttp owns the connection itself; this is what the gate knows of it, from its socket's first
 * moment to evhttp's farewell. */
struct http_connection {
    TAILQ_ENTRY(http_connection) entry;     /* the front's, until it is GONE */
    struct http_connection *next;           /* in the front's bucket, while evcon is set */
    struct loop_task task;                  /* to be looked at once evhttp has it; to be freed */
    struct http_door *door;                 /* borrowed; NULL: the front ended before it was born */
    struct snapshot *snapshot;              /* owned reference: what it began with */
    const struct listener_config *listener; /* of that */
    struct bufferevent *bev;                /* owned reference while BORN, then borrowed */
    struct evhttp_connection *evcon;        /* borrowed; NULL while BORN and when GONE */
    struct evbuffer_cb_entry *watch;        /* on the input buffer; NULL: not there */
    struct flush flush;                     /* of its output */
    struct deadline deadline;
    struct admission admission;
    int64_t born_at;
    int64_t since;               /* when the state began */
    int64_t read_at;             /* when something was read last */
    uint64_t bytes;              /* read since then */
    struct http_framing framing; /* of the request that comes in */
    size_t charged;              /* of the front's strangers */
    unsigned holder;             /* under which of the front's holders */
    bool too_heavy;              /* it ends as soon as the loop comes round */
    enum http_state state;
    bool tls;
    bool asked;      /* a request came over it */
    bool identified; /* … of an account, or of a provider */
    unsigned auth_failures;
    bool open_end; /* an answer whose end is yet to come: to be cut off, not closed */
    size_t unread; /* … what of its last piece the peer had not taken when that was looked at */
    struct http_request *request; /* the one being worked on; NULL */
    struct sockaddr_storage peer; /* the socket's other end */
    char peer_text[SOCKADDR_TEXT];
    char fingerprint[65]; /* of the client's certificate; "" */
    char id[RECORD_ID];
};

TAILQ_HEAD(http_connections, http_connection);

/* One listening socket of the lane. */
struct http_door {
    struct http_door *next;            /* the front's */
    struct http_front *front;          /* borrowed */
    struct entrance *entrance;         /* borrowed */
    struct evhttp *http;               /* owned */
    struct evhttp_bound_socket *bound; /* evhttp's; NULL: closed */
    struct loop_task task;             /* frees it once the last connection of a closed one went */
    unsigned connections;
};

#define HTTP_BUCKETS 1024
#define HTTP_HOLDERS 1024

/* All that is HTTP on one lane. */
struct http_front {
    struct lane *lane;                             /* borrowed */
    struct http_door *doors;                       /* owned */
    struct http_connections connections;           /* each owned by itself */
    struct http_connection *buckets[HTTP_BUCKETS]; /* by evcon */
    size_t strangers;                              /* bytes read from who is nobody's account yet */
    size_t held[HTTP_HOLDERS]; /* … by address; few addresses share one of these */
    uint64_t seed;             /* which ones nobody can know */
    bool draining;
};

/* Who sent a request: the connection's peer, or whom a balancer names. */
struct http_client {
    struct sockaddr_storage address; /* AF_UNSPEC: a balancer did not say */
    char text[64];
    struct peer_key key;
    const char *fingerprint; /* NULL: none, or it would be the balancer's */
    bool secured; /* over TLS, from this machine, or over https to a balancer that is believed */
    bool https;   /* … and really so: not for being from this machine */
    bool local;   /* from this machine, and nobody says that it was passed on */
    bool vouched; /* the peer is a balancer that is believed */
    bool unclear; /* a client could have written what looks like a balancer's: not to be served */
};

enum http_stage {
    STAGE_ARRIVED,   /* being read and recognised */
    STAGE_CHECKING,  /* the helpers hash a password, or the store looks for a token */
    STAGE_PENALTY,   /* what is known of the login is told later */
    STAGE_SENDING,   /* messages are under way */
    STAGE_HOOKED,    /* an adapter works on a provider's webhook */
    STAGE_SERVING,   /* a service works on it */
    STAGE_STREAMING, /* its answer is made and sent in pieces */
    STAGE_ANSWERED,  /* freed when the loop comes round */
    STAGE_COUNT
};

/* Lives on when its connection goes while messages are under way, whose ends are remembered, or
 * while a service works on it. */
struct http_request {
    struct loop_task task;
    struct lane *lane;                         /* borrowed */
    struct http_connection *connection;        /* NULL once it is gone */
    struct evhttp_request *evreq;              /* evhttp's; NULL with the connection */
    struct snapshot *snapshot;                 /* owned reference */
    const struct listener_config *listener;    /* of that */
    const struct http_route *route;            /* of SMS; NULL: none */
    const struct service_route *service_route; /* of another service; NULL: none */
    struct ticket ticket;
    enum http_stage stage;
    struct http_client client;
    union {
        struct http_call call;       /* its arena is owned */
        struct service_call service; /* the same with what services see beside it */
    };
    bool counted;  /* among the gate's calls */
    bool windowed; /* … its token's, by login.name */
    struct http_hold {
        enum peer_kind kind;
        size_t length;
        uint8_t name[SERVICE_HOLD_NAME];
    } holds[SERVICE_HOLDS]; /* what it is counted among, too */
    size_t n_holds;
    service_handler *unrecorded; /* NULL: the common answer */
    struct http_stream *stream;  /* owned; NULL: there is none */
    struct http_login login;
    bool right;                /* in PENALTY: which answer */
    enum http_trouble trouble; /* … when it is not right */
    int64_t not_before;        /* of a service's answer, monotonic; 0: at once */
    int64_t due;               /* in PENALTY: when it is told, monotonic */
    int64_t began;
    size_t next;             /* the first message that was not submitted */
    size_t under;            /* … way */
    bool pumping;            /* guards against re-entry */
    char session[RECORD_ID]; /* the connection's id */
};

/* ---- server.c ---- */

/* The snapshot's listener for the entrance, if it is one of HTTP. False: it is gone. */
bool http_find_listener(const struct config *config, const struct entrance *entrance,
                        size_t *index_out);
/* One connection less; the last one of a closed door takes it along. */
void http_door_leave(struct http_door *door);

/* ---- routes.c ---- */

enum http_route_kind {
    ROUTE_MESSAGES, /* login, read, submit, render */
    ROUTE_OPEN,     /* answered at once, to anybody */
    ROUTE_ASK,      /* answered at once, to an account */
    ROUTE_HOOK,     /* a provider's */
};

struct http_route {
    const char *pattern; /* "*" stands for a segment, or for what remains of one */
    unsigned methods;    /* HTTP_METHOD_ bits */
    enum http_route_kind kind;
    const struct http_shape *shape;
    void (*answer)(struct http_call *call); /* OPEN, ASK */
};

/* The route of SMS, or of another of the services (SERVICE_ bits), for a path and method; NULL:
 * which methods the path would take is added to *methods (nothing: there is no such path).
 * tails_out gets the decoded pieces for the stars, in the arena. */
const struct http_route *http_find_route(enum http_method method, const char *path,
                                         struct arena *arena, const char **tails_out,
                                         unsigned *methods);
const struct service_route *http_find_service(unsigned services, enum http_method method,
                                              const char *path, struct arena *arena,
                                              const char **tails_out, unsigned *methods);
/* "GET, POST", in the arena; NULL without any, or without memory. */
const char *http_methods_text(unsigned methods, struct arena *arena);

/* ---- connection.c ---- */

/* What evhttp calls for a connection it has accepted: a bufferevent without a socket yet. */
struct bufferevent *http_connection_new(struct event_base *base, void *door);
/* NULL: evhttp made this one without us, when memory was short. */
struct http_connection *http_connection_of(const struct http_front *front,
                                           const struct evhttp_connection *evcon);
void http_connection_enter(struct http_connection *connection, enum http_state state);
/* The timer is to fire then; while a request is being worked on. */
void http_connection_wake_at(struct http_connection *connection, int64_t deadline);
/* The peer closed its sending side, or more, which evhttp does not see while it awaits an answer.
 */
bool http_connection_was_left(const struct http_connection *connection);
/* An answer was written: the next request, if there is one. */
void http_connection_answered(struct http_connection *connection);
/* What evhttp was given to send leaves at the end of this turn. */
void http_connection_flush(struct http_connection *connection);
/* An answer begins that has no end yet. */
void http_connection_open_end(struct http_connection *connection);
/* More of it was given: from now on it counts how fast that is read. */
void http_connection_given(struct http_connection *connection);
/* The gate drains: ends it if it waits for nothing. */
void http_connection_drain(struct http_connection *connection);
/* Ends it now; not from within a callback of evhttp. */
void http_connection_end(struct http_connection *connection, const char *why);
/* Counts it under the partner; false: that has as many as it may. */
bool http_connection_admit(struct http_connection *connection, struct snapshot *snapshot,
                           const struct account_config *account);

/* ---- framing.c ---- */

/* So many more bytes of a request, which all of it is fed from its first one on. */
void http_framing_follow(struct http_framing *framing, const char *bytes, size_t length);
/* Whether so long a line stands among chunks that it is to end here: evhttp goes round for ever in
 * a buffer that is full and has no end of one. */
bool http_framing_is_endless(const struct http_framing *framing);
/* Whether what was followed is a request, up to the end of its head or of its chunks, that
 * everybody reads alike. Asked once evhttp has read it. */
bool http_framing_is_clear(const struct http_framing *framing);
/* Whether its headers leave no doubt where it ends: evhttp reads no body but of POST, PUT and
 * PATCH, and takes the first length it finds. */
bool http_ends_clearly(const struct evkeyvalq *headers, enum http_method method);
/* Whether what decides whose the request is, and whether it was there before, is said once. */
bool http_says_one_thing(const struct evkeyvalq *headers);

/* ---- strangers.c ---- */

/* Its address is known. */
void http_stranger_meet(struct http_connection *connection);
/* So much more was read from it. Ends, when the loop comes round, who holds too much. */
void http_stranger_charge(struct http_connection *connection, size_t bytes);
/* Nothing of it is waiting to be whole. */
void http_stranger_release(struct http_connection *connection);

/* ---- client.c ---- */

void http_client_find(const struct http_connection *connection,
                      const struct listener_config *listener, const struct evkeyvalq *headers,
                      struct http_client *client_out);

/* ---- send.c ---- */

/* Whether no header field of it holds a control character. */
bool http_answer_is_clean(const struct http_answer *answer);
/* Gives evhttp the answer to send; the connection is ANSWERING from here on. What has no memory is
 * answered 503, what is not clean 500. */
void http_send(struct http_connection *connection, struct evhttp_request *evreq,
               const struct http_answer *answer);
/* An answer without its body; length of that, or negative. */
void http_send_start(struct http_connection *connection, struct evhttp_request *evreq,
                     const struct http_answer *answer, int64_t length);
/* Some of the body, not empty; taken from bytes. on_left: all of it is in the socket. */
void http_send_piece(struct http_connection *connection, struct evhttp_request *evreq,
                     struct evbuffer *bytes,
                     void (*on_left)(struct evhttp_connection *evcon, void *connection));
/* The rest of it (NULL: nothing), and its end; the connection may be gone then. */
void http_send_last(struct http_connection *connection, struct evhttp_request *evreq,
                    struct evbuffer *bytes);
/* 503 and the end, to what was made without us or with nothing left to work with. */
void http_send_busy(struct evhttp_request *evreq);

/* ---- request.c ---- */

/* evhttp's callback for every request it could read; arg is the door. */
void http_on_request(struct evhttp_request *evreq, void *door);
void http_request_set_stage(struct http_request *request, enum http_stage stage);
/* The connection has gone, or goes: what is under way is carried on with nobody to tell. */
void http_request_orphan(struct http_request *request);
/* The connection's timer, while a request is worked on. */
void http_request_timer(struct http_request *request);
/* It is answered, and noted as such, once. */
void http_request_count(struct http_request *request);
/* No more is to be said to it: frees it later. */
void http_request_end(struct http_request *request);
/* Sends call.answer, frees the request. */
void http_request_answer(struct http_request *request);
void http_request_refuse(struct http_request *request, enum http_trouble trouble);
/* A problem in nobody's shape as its answer. */
void http_request_problem(struct http_request *request, int status, const char *allow, bool close);
/* The account is known: goes on. */
void http_request_identified(struct http_request *request);
/* At the end of the lane: whatever is still there is freed, its answers find nobody. */
void http_requests_free(struct lane *lane);

/* ---- hook.c ---- */

void http_request_hook(struct http_request *request);

/* ---- service.c ---- */

/* Its service_route is known: asks for a token where one is needed, and has it served. */
void http_request_serve(struct http_request *request);
/* Its token is right. */
void http_request_admitted(struct http_request *request);
/* It is about to be freed: is counted no more. */
void http_service_end(struct http_request *request);
/* Writes the answer for what went wrong before it was served. */
void http_service_refuse(struct http_request *request, enum http_trouble trouble);

/* ---- stream.c ---- */

/* The connection or the lane has gone, or goes. */
void http_stream_gone(struct http_request *request);
/* The connection's timer, while a piece is made. */
void http_stream_timer(struct http_request *request);

/* ---- auth.c ---- */

/* Finds the account, at once or later, and then calls http_request_identified or _refuse. */
void http_request_identify(struct http_request *request);
/* What it came with is right, or not (CHECKING or ARRIVED): remembers that, and goes on, with a
 * wrong one after a while. */
void http_request_judged(struct http_request *request, bool right);
/* The penalty is over. */
void http_request_penalty_over(struct http_request *request);
/* Looks now and then whether the client still waits, until then. */
void http_request_watch(struct http_request *request, int64_t due);
/* What is known is told then. */
void http_request_wait(struct http_request *request, int64_t due);
/* What was not looked at is told so late. why: for the log. */
void http_request_hold(struct http_request *request, enum http_trouble trouble, const char *why);
/* Nobody waits for what is being looked at: it counts as wrong. */
void http_request_abandon_login(struct http_request *request);

#endif
