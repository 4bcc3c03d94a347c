/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One partner's connection: what the files of this folder share. Read them in the order of a
 * session's life: server.c (connection, states), balancer.c (whose connection it is), fence.c (what
 * a client may hold and how long it may take), input.c (lines), verbs.c and auth.c (commands),
 * envelope.c (RCPT to verdict), relay.c (the provider's side), data.c (content), transaction.c
 * (memory and journal rows).
 */
#ifndef OCTROI_PROXY_SMTP_SESSION_H
#define OCTROI_PROXY_SMTP_SESSION_H

#include "base/arena.h"
#include "policy/judge.h"
#include "proxy/net/connection.h"
#include "proxy/smtp/command.h"
#include "proxy/smtp/content.h"
#include "proxy/smtp/server.h"
#include "store/record.h"

enum smtp_state {
    SMTP_PROXY,      /* waits for the header in which a balancer says whose connection it is */
    SMTP_COMMAND,    /* waits for a command; while recipients are unanswered only RCPT is taken */
    SMTP_AUTH,       /* waits for a line of an AUTH exchange */
    SMTP_AUTH_CHECK, /* the helpers hash a password */
    SMTP_PENALTY,    /* an AUTH is answered late */
    SMTP_TLS_FLUSH,  /* the go-ahead for STARTTLS is on its way out */
    SMTP_HANDSHAKE,  /* TLS is being set up */
    SMTP_REFUSING,   /* MAIL or DATA was refused; the rows become durable before the answer */
    SMTP_HEADER,     /* after 354: the header block is collected */
    SMTP_JUDGING,    /* the header has spoken; rows become durable before anything leaves */
    SMTP_BODY,       /* content streams to the provider */
    SMTP_DRAIN,      /* content is read and thrown away; an answer is ready for the final dot */
    SMTP_DRAINED,    /* the final dot was read; the rows that go with the answer become durable */
    SMTP_FINAL,      /* the dot is with the provider; its answer is awaited */
    SMTP_CLOSING,    /* the last reply is on its way out */
    SMTP_STATE_COUNT
};

#define SMTP_INPUT_HIGH (64 * 1024) /* bytes read and not yet worked on */

enum recipient_state {
    RECIPIENT_JUDGING,   /* the store was asked */
    RECIPIENT_RECORDING, /* its row becomes durable before the answer */
    RECIPIENT_OFFERED,   /* the provider was asked */
    RECIPIENT_ANSWERED,  /* code and text are set, maybe waiting for its turn */
};

struct smtp_recipient {
    struct smtp_recipient *next;
    uint32_t index;
    enum recipient_state state;
    bool offered;        /* it went, or goes, to the provider */
    bool accepted;       /* the provider said 2xx: part of the envelope */
    bool discarded;      /* answered as if accepted, left out of the envelope */
    bool recorded;       /* its decision row was handed to the journal */
    bool faulty;         /* the command was wrong: counts as an error */
    const char *address; /* clear, in the arena: goes upstream, and nowhere else */
    const char *notify;  /* in the arena; "" when not given */
    const char *orcpt;   /* as address */
    struct recipient who;
    char id[RECORD_ID];
    int64_t arrived_at; /* monotonic */
    struct judgement judgement;
    enum effect effect;
    int code; /* the answer to its RCPT */
    const char *text;
};

/* From MAIL to its end. */
struct smtp_transaction {
    struct arena *arena; /* owned */
    struct smtp_mail mail;
    struct smtp_recipient *first, **last;
    struct smtp_recipient *unanswered; /* the first whose answer was not sent; NULL: none */
    uint32_t n_recipients;
    uint32_t n_accepted;
    uint32_t n_discarded;
    /* The provider's side. */
    struct mail_transaction *upstream; /* owned; NULL before the first pass and after the end */
    size_t provider;                   /* index into the stream's preference list */
    struct smtp_recipient **offered;   /* in the arena; index as the adapter knows it */
    uint32_t n_offered;
    uint32_t offered_room;
    bool failed; /* the provider is lost: nothing more can be delivered in this transaction */
    /* Content. */
    struct content_scan scan;
    struct evbuffer *header; /* owned; held until the rules have spoken */
    bool taken;              /* content.unsubscribe_taken: no way out is added */
    const char *way_out;     /* in the arena: the header fields that are added; NULL: none */
    bool complete;           /* the final dot was read */
    bool passed;             /* decision rows with effect passed are durable, outcomes are owed */
    bool reading_paused;
    int final_code; /* the answer once the final dot is read (DRAIN, DRAINED) */
    const char *final_text;
    /* In the arena; what the provider did while rows were pending. */
    const char *lost;           /* it was, and why */
    struct mail_reply *refused; /* DATA, and with what */
    const char *said; /* why content that had passed was refused after all, for its outcome rows */
    bool close_after; /* the connection ends with that answer */
};

struct smtp_session {
    struct loop_task end_task;              /* first: frees the session */
    struct lane *lane;                      /* borrowed */
    struct snapshot *snapshot;              /* owned reference */
    const struct listener_config *listener; /* of the snapshot */
    SSL_CTX *tls_context;                   /* of the snapshot; NULL when the listener has none */
    struct connection *connection;          /* owned; its deadline is the state's */
    const char *id;                         /* the connection's */
    const char *peer; /* the connection's: the address shown; "" while the client is not known */
    int64_t idle_deadline;  /* the part of the deadline that begins anew */
    int64_t login_deadline; /* … that does not; while there is no account */
    int64_t waited;         /* for the client alone, since MAIL or DATA: what fence.c allots */
    int64_t waited_at;      /* up to when waited was counted */
    struct ticket ticket;
    enum smtp_state state;
    bool waiting; /* for the client alone, since waited_at */
    bool ended;   /* marked for the loop's end */
    bool reading_paused;
    bool processing;    /* guards against re-entry of the input loop */
    bool input_again;   /* something changed while processing */
    bool skipping_line; /* the rest of a line that was too long */
    bool balancer; /* the client is one of the listener's trusted balancers: XCLIENT is believed */
    bool greeted;  /* EHLO or HELO was accepted */
    bool extended; /* by EHLO */
    bool quit_after_reply;
    /* While in SMTP_PENALTY: which answer. */
    enum { AUTH_WRONG, AUTH_RIGHT, AUTH_BUSY, AUTH_HELD } auth_answer;
    bool authenticated; /* by AUTH, not by network or certificate */
    enum { AUTH_NONE, AUTH_PLAIN, AUTH_LOGIN_NAME, AUTH_LOGIN_PASSWORD } auth_step;
    unsigned errors;  /* commands refused; too many end the session */
    unsigned chatter; /* commands since the last recipient or message */
    unsigned auth_failures;
    int64_t auth_began; /* when the password came: its answer is told no sooner than … */
    int64_t auth_delay; /* … so much later */
    const struct account_config *account; /* of the snapshot; NULL until identified */
    char *auth_name; /* owned; LOGIN's first answer, or PLAIN's name while it is checked */
    char *helo;      /* owned */
    struct smtp_transaction *transaction; /* owned; from MAIL to its end */
};

/* ---- server.c ---- */

void smtp_enter(struct smtp_session *session, enum smtp_state state);
/* The state's deadline starts anew. */
void smtp_touch(struct smtp_session *session);
/* "CODE text", one line each for the LF-separated lines of text. */
void smtp_reply(struct smtp_session *session, int code, const char *text);
/* smtp_reply for a command that was refused: counted, and too many end the session. */
void smtp_refuse(struct smtp_session *session, int code, const char *text);
/* The last reply was given: flush it, then end. */
void smtp_close(struct smtp_session *session);
/* Ends the session now. Safe from any callback: the memory goes at the loop's end. */
void smtp_end(struct smtp_session *session, const char *why);
/* Who the client is has become known, at accept, by a PROXY header, by XCLIENT: counts it and finds
 * its account. False: the session was told 421, it is closing or has ended. */
bool smtp_client_known(struct smtp_session *session, const struct sockaddr_storage *client);
/* Who the peer is by network and certificate. */
void smtp_identify(struct smtp_session *session);
/* Forgets what the client said so far, its login and its name, and identifies it anew. */
void smtp_start_over(struct smtp_session *session);
void smtp_greet(struct smtp_session *session);
/* The peer is known and nothing was said yet: TLS or the greeting. */
void smtp_begin(struct smtp_session *session);
void smtp_pause_reading(struct smtp_session *session, bool pause);
struct smtp_session *smtp_redeem(void *lane, struct ticket ticket);
bool smtp_auth_allowed(const struct smtp_session *session);
/* Plain to TLS, once the output has been flushed. */
void smtp_start_handshake(struct smtp_session *session);

/* ---- fence.c ---- */

/* Counts the session under its client; under the account's partner, once there is one. False: it
 * was over a cap, was told 421 and ends. Both may be called again when that changes. */
bool smtp_admit_address(struct smtp_session *session);
bool smtp_admit_partner(struct smtp_session *session);
/* Whose turn it is may have changed: counts the time of the one whose it was. */
void smtp_pace(struct smtp_session *session);
/* An envelope or content begins. */
void smtp_pace_start(struct smtp_session *session);
/* When the session ends however much it says; INT64_MAX: it does not. */
int64_t smtp_fence(struct smtp_session *session, int64_t now);
/* The deadline has passed while the client was waited for. False: not really, others took part of
 * that time. Else it was told 421. */
bool smtp_time_out(struct smtp_session *session);
/* Counts commands that bring no message nearer. True: one too many, it was told 421. */
bool smtp_talks_idly(struct smtp_session *session, enum smtp_verb verb);

/* ---- input.c ---- */

/* Takes up reading commands or content again, after an asynchronous answer. */
void smtp_continue(struct smtp_session *session);
/* For the connection: whether `written` means more now than that there is room again. */
bool smtp_awaits_written(const void *session);
/* Whether the next step is the partner's: nobody else owes an answer, and reading is not paused. */
bool smtp_waits_for_peer(const struct smtp_session *session);

/* ---- verbs.c, auth.c ---- */

void smtp_run_command(struct smtp_session *session, enum smtp_verb verb, const char *arguments);
void smtp_auth_command(struct smtp_session *session, const char *arguments);
void smtp_auth_line(struct smtp_session *session, const char *line);
void smtp_auth_penalty_over(struct smtp_session *session);
/* The session ends: a password that is being looked at counts as wrong, for nobody waits to hear,
 * and an answer that is held back is held against who comes next. */
void smtp_auth_abandoned(struct smtp_session *session);
/* How long the helpers are waited for; INT64_MAX: as long as they take. */
int64_t smtp_auth_patience(const struct smtp_session *session);
/* If the client hung up and the answer to its AUTH does not come soon, the session ends: true. */
bool smtp_auth_let_go(struct smtp_session *session);

/* ---- balancer.c ---- */

/* Whether such a peer is a trusted balancer of the session's listener. */
bool smtp_is_trusted(const struct smtp_session *session, const struct sockaddr_storage *peer);
/* Reads as much as a PROXY header can have at least, and not a byte behind it. */
void smtp_await_header(struct smtp_session *session);
/* Works on the PROXY header; false when more of it must come. */
bool smtp_header_step(struct smtp_session *session);
void smtp_xclient_command(struct smtp_session *session, const char *arguments);

/* ---- envelope.c ---- */

/* What the account's route carries, as it was last seen. */
struct smtp_route smtp_route(const struct smtp_session *session);

void smtp_rcpt_command(struct smtp_session *session, const char *arguments);
/* Sets a recipient's answer and sends all answers whose turn has come. */
void smtp_answer_recipient(struct smtp_session *session, struct smtp_recipient *recipient, int code,
                           const char *text);
/* How many recipients a transaction takes, for its provider, or because each is given a link of its
 * own. */
unsigned smtp_max_recipients(const struct smtp_session *session, const struct provider *provider);
/* The answer that goes with a verdict other than pass: "NO_CONSENT … ref ID". */
const char *smtp_verdict_text(struct smtp_transaction *transaction, enum verdict verdict,
                              enum reason reason, const char *id);
int smtp_verdict_code(enum verdict verdict);

/* ---- relay.c ---- */

/* Asks the provider for this recipient; opens the transaction there when it is the first. */
void smtp_offer(struct smtp_session *session, struct smtp_recipient *recipient);
void smtp_relay_abort(struct smtp_session *session);
/* The provider would not have the content that had passed. reply may be in the arena. */
void smtp_content_refused(struct smtp_session *session, const struct mail_reply *reply);

/* ---- data.c ---- */

void smtp_data_command(struct smtp_session *session);
/* Works on what was read while content is expected; false when nothing more can be done now. */
bool smtp_content(struct smtp_session *session);
/* The rest of the content is thrown away and the final dot answered so, once the rows of the
 * accepted recipients are durable with the effect each of them has. text is copied. */
void smtp_drain_content(struct smtp_session *session, int code, const char *text);
/* The provider is lost before it took anything: what the recipients, or the final dot, are told. */
void smtp_content_lost(struct smtp_session *session, const char *why);

/* ---- transaction.c ---- */

struct smtp_transaction *smtp_transaction_new(const struct smtp_mail *mail);
/* Ends the transaction: what was decided but not finished is journalled as abandoned. */
void smtp_transaction_end(struct smtp_session *session);
const struct provider_config *smtp_provider(const struct smtp_session *session);
/* Adds the recipient's decision row with this effect. False: no memory. */
bool smtp_record_decision(struct smtp_session *session, struct journal_batch *batch,
                          struct smtp_recipient *recipient, enum effect effect);
/* Adds what the provider said to this recipient alone. False: no memory. */
bool smtp_record_outcome(struct smtp_session *session, struct journal_batch *batch,
                         const struct smtp_recipient *recipient, enum outcome outcome,
                         enum effect effect, const char *provider_reply);
/* Outcome rows for every recipient whose decision row says passed. */
bool smtp_add_outcomes(struct smtp_session *session, struct journal_batch *batch,
                       enum outcome outcome, enum effect effect, const char *provider_reply,
                       const char *queue_id);
/* The same in a batch of their own, which nobody waits for. */
void smtp_record_outcomes(struct smtp_session *session, enum outcome outcome, enum effect effect,
                          const char *provider_reply, const char *queue_id);
/* Hands the batch to the store. A batch of NULL, or one that could not take a row (ok false), is
 * answered as if the journal had failed. */
void smtp_append(struct smtp_session *session, struct journal_batch *batch, bool ok,
                 store_durable_fn *answer, uint32_t item);

#define SMTP_UNABLE "4.3.0 The gate cannot decide or record this now, try again later"

#endif
