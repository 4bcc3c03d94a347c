/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SMPP client, inside. Three things: the port (a loop's share of the provider: its links, and
 * the messages that wait for one), the link (one bind: a seat that is kept filled, with its state
 * machine), the work (one message, from sms_send to its answer). A work lives on one loop at a
 * time and may move between them; the table in places.c knows which loop has room.
 *
 * Who calls whom: adapter (send) -> places -> queue -> link -> wire; input -> answer -> queue.
 * Links live as long as their port, so a function may go on using one that it has just closed.
 */
#ifndef OCTROI_ADAPTERS_SMPP_SMPP_H
#define OCTROI_ADAPTERS_SMPP_SMPP_H

#include "adapters/dial.h"
#include "adapters/internal.h"
#include "base/clock.h"
#include "base/flush.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>

/* Messages that wait at a provider: this many times what all its windows hold. They wait for
 * connect_timeout at most; it smooths bursts, it is no queue. */
#define SMPP_WAITING_WINDOWS 4
/* Inbound messages of one link whose answer is still out; beyond, 0x14. */
#define SMPP_INBOUND_MAX 1000
/* A link whose peer leaves this much unread gets no further message, or is given up. */
#define SMPP_OUTPUT_FULL ((size_t)256 * 1024)
#define SMPP_OUTPUT_MAX  ((size_t)1024 * 1024)
#define SMPP_VERSION     0x34

enum link_state {
    LINK_DOWN, /* to be opened again at retry_at */
    LINK_RESOLVING,
    LINK_CONNECTING,
    LINK_HANDSHAKE,
    LINK_BINDING,
    LINK_READY,
    LINK_CHECKING,  /* of a test: enquire_link is out */
    LINK_LEAVING,   /* the provider said unbind: what is out is awaited */
    LINK_UNBINDING, /* of a test: unbind is out */
    LINK_FAREWELL,  /* the last bytes are on their way out */
    LINK_STATE_COUNT
};

struct smpp_port;
struct smpp_places;
struct smpp_trial;

/* ---- one message ---- */

struct smpp_work {
    TAILQ_ENTRY(smpp_work) entry; /* of a port's queue, or of a link's requests */
    struct smpp_work *chain;      /* of a link's bucket */
    struct loop_task task;        /* on its way to a loop */
    struct sms_job *job;          /* owned */
    struct smpp_port *at;         /* in whose place it is counted; NULL: in none yet */
    int64_t deadline;             /* clock_monotonic; while it waits */

    /* While it is out: */
    uint32_t sequence;
    uint64_t from; /* of the link's output: where its request begins */
    int64_t answer_by;

    /* How it travels. */
    uint8_t *text; /* owned; encoded; NULL: raw */
    size_t length;
    struct sms_shape shape;
    bool payload;      /* as message_payload */
    unsigned requests; /* it takes so many */
    unsigned taken;    /* of them, by the provider */
    uint8_t reference; /* of its segments */
    char id[SMPP_ID_MAX];

    /* What could not even be tried: what it will be answered. */
    struct sms_answer refusal;
    struct error why;
};
TAILQ_HEAD(smpp_works, smpp_work);

/* ---- one message of the provider ---- */

struct smpp_inbound {
    TAILQ_ENTRY(smpp_inbound) entry;
    struct smpp_link *link; /* borrowed: goes with its connection */
    struct ticket ticket;
    uint32_t command;
    uint32_t sequence;
};

/* ---- one bind ---- */

struct smpp_link {
    TAILQ_ENTRY(smpp_link) entry;
    struct smpp_port *port; /* borrowed */
    uint32_t command;       /* what it binds with */
    enum link_state state;

    struct dial dial;
    struct bufferevent *bev; /* owned; with it the socket and the TLS session */
    struct flush flush;
    struct event *timer; /* owned; never later than what is due */
    int64_t armed;       /* when timer fires; 0: not at all */
    int64_t deadline;    /* of the state; clock_monotonic; 0: none */

    uint32_t sequence;          /* the last one used */
    uint32_t asked;             /* that of bind or unbind */
    uint64_t given;             /* bytes put into the output … */
    uint64_t gone;              /* … and handed to the socket */
    struct smpp_works requests; /* out, oldest first */
    unsigned n_requests;
    struct smpp_work **buckets; /* owned; requests by sequence */
    size_t n_buckets;           /* a power of two */
    int64_t heard_at;
    uint32_t enquiry;      /* sequence of enquire_link … */
    int64_t enquiry_until; /* … while it is out; else 0 */
    int64_t paused_until;  /* throttled; 0: not */
    int64_t pause;         /* the last one; 0: the next is the shortest */
    bool has_room;         /* its window is counted in the table … */
    bool is_ready;         /* … and so is that it may carry messages */
    bool refill;           /* it was full, and what it wrote made room */

    TAILQ_HEAD(smpp_inbounds, smpp_inbound) inbound;
    unsigned n_inbound;

    bool probe;        /* the one attempt of a half-open breaker, not decided yet */
    bool refused;      /* the bind was answered, with a refusal */
    unsigned failures; /* in a row, while other links stood */
    int64_t ready_at;
    int64_t retry_at;
    bool stranger_told;       /* an answer to nothing was logged */
    struct smpp_trial *trial; /* owned; NULL but for a test of the provider */
};

/* ---- a loop's share ---- */

struct smpp_port {
    struct provider_port base; /* first */
    TAILQ_HEAD(smpp_links, smpp_link) links;
    struct smpp_works urgent; /* messages of which a part was taken: they go first */
    struct smpp_works queue;  /* by deadline */
    struct event *timer;      /* owned; made with the first message: deadlines, and the pace */
    int64_t paced_until;      /* no message before, for the rate; 0: any time */
    unsigned n_made;          /* of its own links; trials' aside */
    bool begun;               /* all of them were made */
    struct event again;       /* when memory was too short for one … */
    bool again_set;           /* … and from then on */
    bool abandoned;           /* as sms_abandon says: nothing is begun any more */
    bool closing;
    struct ticket_table *tickets; /* owned; made with the first inbound message */
    struct loop_task begin;       /* another loop was warmed */
    struct loop_task wake;        /* there may be room, or a link may be tried */
    struct loop_task gone;
    bool woken; /* under the provider's lock: wake is posted */

    uint8_t in[SMPP_PDU_MAX];
    uint8_t out[SMPP_PDU_MAX];
    uint8_t tlvs[SMPP_PDU_MAX];
};

static inline const struct provider_config *smpp_config(const struct smpp_port *port)
{
    return port->base.provider->config;
}

/* ---- adapter.c ---- */

/* Makes this port's links, if they are not there yet, and tells the other loops to make theirs. */
void smpp_port_begin(struct smpp_port *port);

/* ---- places.c: what all loops know of each other, under the provider's lock ---- */

struct smpp_places *smpp_places_new(const struct provider *provider);
void smpp_places_free(struct smpp_places **places);
/* Binds that the provider shall have, over all loops. */
unsigned smpp_seats(const struct provider *provider);
/* True once. */
bool smpp_places_begin(struct smpp_port *port);
/* Whether no message may be tried now, and why. */
bool smpp_places_out(struct smpp_port *port, struct error *why);
/* A place for one message more, as one that waits: on its own loop, or where there is room. False,
 * and why: too many wait already. */
bool smpp_places_enter(struct smpp_port *port, struct smpp_port **at_out, struct error *why);
void smpp_places_leave(struct smpp_port *port, bool waiting);
/* A message that waited at port goes out, or waits again. */
void smpp_places_sent(struct smpp_port *port);
void smpp_places_waits(struct smpp_port *port);
/* A message that waits here may go to another loop, which has room: its place has moved. */
struct smpp_port *smpp_places_move(struct smpp_port *port);
/* A link of port carries messages from now on, or does so no more (ready); has room for a window
 * of them, or has none. */
void smpp_places_ready(struct smpp_port *port, int more);
void smpp_places_room(struct smpp_port *port, int more);
/* A link is bound, or was; a bound one has requests out, or has none any more. */
void smpp_places_bound(struct smpp_port *port, int more);
void smpp_places_busy(struct smpp_port *port, int more);
/* Whether any link stands that carries messages, or, for a receiver, any at all. */
bool smpp_places_stand(struct smpp_port *port, bool sends);
/* Wakes a loop whose messages wait, when this one has room; all: every loop. */
void smpp_places_wake(struct smpp_port *port, bool all);
/* On port's loop, in its wake. */
void smpp_places_woken(struct smpp_port *port);
/* 0, and one message is counted; or how long it is too early for the rate. */
int64_t smpp_places_pace(struct smpp_port *port);
uint8_t smpp_places_reference(struct smpp_port *port);
/* Its loop posts and is posted nothing any more. False: wake is in the mailbox, and has to come
 * first. */
bool smpp_places_close(struct smpp_port *port);

/* ---- queue.c: who waits on a loop ---- */

/* A work whose place is at port; it is sent now or waits. */
void smpp_queue_add(struct smpp_port *port, struct smpp_work *work);
/* Sends what may be sent; of a port that is abandoned all are answered instead. */
void smpp_queue_pump(struct smpp_port *port);

/* ---- work.c: a message as SMPP requests ---- */

/* Takes job. NULL when memory is short: it is then still the caller's. */
struct smpp_work *smpp_work_new(struct smpp_port *port, struct sms_job *job);
void smpp_work_free(struct smpp_work **work);
/* Whether it can be said in SMPP; else refusal or why holds what it is to be answered. */
bool smpp_work_plan(struct smpp_work *work, struct smpp_port *port);
/* Its next request, into port->out; 0: it does not fit. */
size_t smpp_work_write(const struct smpp_work *work, struct smpp_port *port, uint32_t sequence);

/* ---- answer.c: what becomes of a work; each takes it, and it must be in no list any more ---- */

/* The provider answered its request. */
void smpp_work_answered(struct smpp_work *work, struct smpp_link *link, uint32_t status,
                        const struct smpp_response *response);
/* Its request may have been taken. */
void smpp_work_lost(struct smpp_work *work, const struct error *why);
/* It could not be said. */
void smpp_work_unsaid(struct smpp_work *work, bool waiting, const struct error *why);
/* As refusal says. */
void smpp_work_refused(struct smpp_work *work, bool waiting);
/* What the answer to a status says: "ESME_RINVDSTADR (0x0000000b)". */
void smpp_status_text(uint32_t status, char *out, size_t size);

/* ---- link.c ---- */

/* NULL when memory is short. command: SMPP_BIND_…. It is DOWN. */
struct smpp_link *smpp_link_new(struct smpp_port *port, uint32_t command);
/* Down, and in no list. */
void smpp_link_free(struct smpp_link **link);
void smpp_link_set_state(struct smpp_link *link, enum link_state state);
/* 0: none. */
void smpp_link_set_deadline(struct smpp_link *link, int64_t microseconds);
/* Something is due earlier than before, perhaps. */
void smpp_link_arm(struct smpp_link *link);
static inline bool smpp_link_sends(const struct smpp_link *link)
{
    return link->command != SMPP_BIND_RECEIVER;
}
/* Whether it can take one message more now. */
bool smpp_link_has_room(const struct smpp_link *link);
/* A work that waited on its port: out it goes, or is answered. */
void smpp_link_send(struct smpp_link *link, struct smpp_work *work);
/* The work out with this sequence number, out no more; NULL: there is none. */
struct smpp_work *smpp_link_take(struct smpp_link *link, uint32_t sequence);
/* Bytes of a whole PDU; false: the link is lost instead. */
bool smpp_link_write(struct smpp_link *link, const uint8_t *bytes, size_t length);
bool smpp_link_say(struct smpp_link *link, uint32_t command, uint32_t status, uint32_t sequence);
uint32_t smpp_link_next(struct smpp_link *link);
bool smpp_link_enquire(struct smpp_link *link);
/* What is counted in the table follows its state. */
void smpp_link_count(struct smpp_link *link);
/* The provider throttles: a pause, longer each time; over: it has taken one again. */
void smpp_link_throttle(struct smpp_link *link, bool over);
/* The connection is no more, or no good: it is closed, and opened again later. */
void smpp_link_lost(struct smpp_link *link, const struct error *why);
void smpp_link_fail(struct smpp_link *link, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Ends it in good order, after what is in the output. */
void smpp_link_farewell(struct smpp_link *link);
/* The provider said unbind. */
void smpp_link_leave(struct smpp_link *link, uint32_t sequence);
/* LEAVING, and an answer came: is that all? */
void smpp_link_left(struct smpp_link *link);
/* unbind is said if that goes at once, and the socket closed. */
void smpp_link_cut(struct smpp_link *link);
/* Its port is abandoned: cut for good, and what is out is answered. */
void smpp_link_abandon(struct smpp_link *link, const struct error *why);

/* Hears and writes on its new bufferevent; false: memory is short. */
bool smpp_link_listen(struct smpp_link *link);

/* ---- open.c: how it comes to be bound, and again ---- */

extern const struct dial_ops smpp_dial_ops;
/* If the provider may be tried; else it tries again by itself. */
void smpp_link_open(struct smpp_link *link);
/* It is DOWN: try now. */
void smpp_link_hurry(struct smpp_link *link);
/* It is connected, and secured if it shall be. */
void smpp_link_say_bind(struct smpp_link *link);
/* It is bound. */
void smpp_link_bound(struct smpp_link *link);
/* It was lost in this state, and is DOWN: when it is opened again. */
void smpp_link_reopen(struct smpp_link *link, enum link_state lost_in, const struct error *why);

/* ---- input.c ---- */

void smpp_input_read(struct smpp_link *link);

/* ---- receive.c ---- */

/* deliver_sm or data_sm. */
void smpp_receive(struct smpp_link *link, const struct smpp_header *header, const uint8_t *body,
                  size_t length);
/* The connection is gone: who still answers is not heard. */
void smpp_receive_forget(struct smpp_link *link);

/* ---- trial.c: the test of a provider ---- */

void smpp_trial_begin(struct provider_port *port, provider_finding_fn *report, void *arg);
/* The link's state is about to change, or why says how it was lost in its state. */
void smpp_trial_step(struct smpp_link *link, enum link_state to, const struct error *why);
struct certificate_seen *smpp_trial_certificate(const struct smpp_link *link);
/* bind was answered. */
void smpp_trial_heard(struct smpp_link *link, const struct smpp_response *response);
/* The link is DOWN again: the end; frees the link, deferred. */
void smpp_trial_end(struct smpp_link *link);

#endif
