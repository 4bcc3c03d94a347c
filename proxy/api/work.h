/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface for programs: a request that is worked on at the desk. It is copied out of its call
 * on the loop (api_work), worked on by a thread that knows no call, and answered on the loop once
 * its rows are durable. What it did is put on record also when nobody waits for the answer any
 * more.
 */
#ifndef OCTROI_PROXY_API_WORK_H
#define OCTROI_PROXY_API_WORK_H

#include "office/access.h"
#include "proxy/desk/desk.h"
#include "proxy/http/service.h"
#include "proxy/snapshot.h"

#define API_PAGE      100  /* items of a page, unless `limit` says */
#define API_PAGE_MOST 1000 /* … at most */

/* Long questions of one token under way: the desk has one thread for all that is long. */
#define API_LONG_MOST 2

struct api_work;

/* On a thread of the desk. Fills status and out, or calls api_refuse, and returns RESULT_OK; what
 * it did goes into access, or as further rows into batch. What else it returns, with err, is
 * answered as 503 (unavailable, no memory) or 500; it has done nothing then. */
typedef enum result api_action(struct api_work *work, struct desk_tools *tools, struct error *err);

struct api_work {
    struct desk_job job; /* first */
    struct lane *lane;   /* borrowed; the loop's alone, as the ticket */
    struct ticket ticket;
    api_action *action;
    /* What was asked; owned, or in arena. */
    struct snapshot *snapshot;
    const struct config *config; /* of snapshot */
    struct arena *arena;
    struct token token;
    char who[TOKEN_NAME + 8]; /* "token NAME" */
    const char *tails[HTTP_TAILS];
    struct http_field *fields; /* of the query; NULL: none */
    bool posted;               /* there is a body */
    const char *body;          /* as it stood, length bytes and a NUL */
    size_t length;
    json_t *in; /* the body read, while the action runs: what outlives it goes into arena */
    int64_t now;
    /* What is answered. */
    int status;
    const char *type; /* of out; "application/json" */
    struct strbuf out;
    struct access access; /* its texts in arena; act NULL: nobody was looked at, nothing done */
    struct journal_batch *batch; /* further rows; NULL: none */
};

/* Takes the call. The query may have these parameters (ends with NULL), each once; the body, when
 * the method is POST, must be a JSON object; else that is answered. */
void api_work(struct service_call *call, api_action *action, enum desk_pace pace,
              const char *const *parameters);
/* On the loop. False unless the query has these parameters alone, each once, without a NUL: that
 * was answered. One that is misspelt would widen what is asked. */
bool api_query(struct service_call *call, const char *const *parameters);
/* What a member or parameter may be when it is not among names (ends with NULL). */
void api_unknown(struct strbuf *out, const char *what, const char *name, const char *const *names);

/* The whole answer is this problem. type: the last part of its URN; detail in the words of who
 * asks, without addresses. */
enum result api_refuse(struct api_work *work, int status, const char *type, const char *title,
                       const char *format, ...) __attribute__((format(printf, 5, 6)));
/* 400, "malformed": what is wrong with a member or parameter. */
enum result api_malformed(struct api_work *work, const char *name, const char *why);
/* 404 with words for what is not there. */
enum result api_nothing(struct api_work *work, const char *what);
/* 403 unless the token may ask about this partner (service_concerns, at the desk). True: it may. */
bool api_concerns(struct api_work *work, const char *partner);

/* ---- reading what was asked ---- */

/* A parameter of the query; NULL: not given. */
const char *api_parameter(const struct api_work *work, const char *name);
/* A text member of the body; NULL: not given, or no text. */
const char *api_text(const json_t *object, const char *name);
/* False after api_malformed: a member the interface does not know is a mistake of who asks, and
 * must not be taken for done. names ends with NULL. */
bool api_known(struct api_work *work, const json_t *object, const char *const *names);
/* The member `reason`, why something is done, with the addresses in it hidden: it comes to rest in
 * the registry. In the work's arena. False after api_malformed, or no memory (out has failed). */
bool api_reason(struct api_work *work, const char **reason_out);
/* `limit`, 1 … API_PAGE_MOST. False after api_malformed. */
bool api_limit(struct api_work *work, unsigned *limit_out);
/* An RFC 3339 instant, or a day, of the query; fallback when not given. */
bool api_instant(struct api_work *work, const char *name, int64_t fallback, int64_t *instant_out);
/* The parameter `partner`, which has the form of an id; NULL: not given. False after api_malformed.
 */
bool api_partner_parameter(struct api_work *work, const char **partner_out);
/* Opaque to who asks: numbers, so that a page goes on exactly behind the one before. */
void api_cursor_add(struct strbuf *out, const char *name, int64_t first, int64_t second);
bool api_cursor(struct api_work *work, bool *given_out, int64_t *first_out, int64_t *second_out);

/* ---- answered on the loop ---- */

service_handler api_check;       /* check.c */
service_handler api_description; /* description.c */

/* ---- actions; one file each ---- */

api_action api_events;                                             /* events.c */
api_action api_identifier;                                         /* identifiers.c */
api_action api_decisions, api_decision;                            /* decisions.c */
api_action api_person;                                             /* persons.c */
api_action api_partners, api_partner;                              /* partners.c */
api_action api_forms, api_form, api_form_add, api_form_invalidate; /* forms.c */
api_action api_suspensions, api_suspend, api_resume;               /* suspensions.c */
api_action api_report;                                             /* reports.c */
api_action api_screening;                                          /* screenings.c */
api_action api_notices;                                            /* notices.c */

#endif
