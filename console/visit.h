/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request of the console's as its pages see it: who asks for what, what it is read from, and
 * what is answered. A page is a function on it. It runs on a thread of the desk and knows no socket
 * and no cookie; who may come to it was looked at before (proxy/console/guard.h).
 *
 * A page that reads writes into `page` and leaves the registry alone. An act (POST) changes
 * something and sends its reader back to a page (visit_done), so that loading that again repeats
 * nothing.
 */
#ifndef OCTROI_CONSOLE_VISIT_H
#define OCTROI_CONSOLE_VISIT_H

#include "base/arena.h"
#include "base/crypto.h"
#include "base/error.h"
#include "base/html.h"
#include "base/seal.h"
#include "config/config.h"
#include "office/access.h"
#include "store/journal.h"
#include "store/registry.h"
#include "store/users.h"

/* What a page or an act asks of who comes. */
enum permit {
    PERMIT_READ = 0x01,    /* counts, blocked messages, forms, dossiers: people by their mask */
    PERMIT_PERSONS = 0x02, /* look a person up, export what is held on her */
    PERMIT_ACT = 0x04,     /* record an objection or withdrawal, invalidate a form */
    PERMIT_STOP = 0x08,    /* suspend and resume */
    PERMIT_ADMIN = 0x10,   /* users */
};

/* The PERMIT_ bits of a role. */
unsigned visit_permits_of(enum user_role role);

struct checker; /* office/checker.h */
struct clerk;   /* office/clerk.h */
struct visit;
struct visit_health; /* console/health.h */
struct visit_send;   /* what is downloaded: console/send.h */

/* RESULT_OK: it was answered, also when the answer is a refusal (visit_refuse). RESULT_NO_MEMORY,
 * RESULT_UNAVAILABLE …: nothing was done; a page that says so is made of it. */
typedef enum result console_page(struct visit *visit, struct error *err);

/* Of the query and of a form, decoded; without a NUL. */
struct visit_field {
    struct visit_field *next;
    const char *name, *value;
};

struct visit {
    /* Who, and how it is told; borrowed or in arena, as all texts. */
    const char *user; /* its name; "" before it is known */
    const char *who;  /* "user NAME", for access records */
    const char *role; /* "compliance"; "" */
    unsigned permits; /* PERMIT_ bits */
    bool signed_on;   /* by the company's single sign-on: nobody logs in or out here */
    bool came;        /* … after a while: as good as a login, and goes on record as one */
    const char *csrf; /* what each form must carry; "" before it is known */
    enum language language;
    const char *timezone; /* times are shown in it */
    /* What is asked for. */
    bool posted;
    const char *path;     /* "/console/blocked", decoded nowhere */
    const char *query;    /* "reason=WITHDRAWN", undecoded; "" */
    const char *tails[2]; /* what stands for the stars of the route, decoded; "" */
    const struct visit_field *fields;
    const char *request_id;
    int64_t now;
    /* What it is read from. */
    const struct config *config;
    struct registry *registry;   /* open for writing */
    struct journal_index *index; /* up to what is durable; NULL on pages that do not ask for it */
    const char *journal_path;
    struct hmac *hmac;
    const struct seal *seal;           /* NULL: there is no key */
    const struct visit_health *health; /* of the gateway; NULL on pages that do not ask for it */
    struct checker *checker;           /* NULL where there is none, as the clerk (tests) */
    struct clerk *clerk;
    void *gate; /* the gateway's, for what only acts of proxy/console do; pages leave it alone */
    /* What is answered. */
    struct arena *arena;         /* for what must outlive the function: a few hundred KiB */
    int status;                  /* 200 */
    const char *location;        /* of a 303 */
    const char *cookies[2];      /* to be set; NULL */
    struct page page;            /* the document */
    unsigned n_labels;           /* fields.c's: so that no id comes twice */
    struct access access;        /* kept before it is answered; act NULL: nothing worth a record */
    struct journal_batch *batch; /* further rows; NULL: none */
    struct visit_send *send;     /* a download instead of the page; NULL: none */
};

static inline bool visit_may(const struct visit *visit, enum permit permit)
{
    return (visit->permits & permit) != 0;
}

/* ---- what was asked ---- */

/* The first field of this name, without the blanks around it; "" when it was not given. */
const char *visit_field(const struct visit *visit, const char *name);
/* Without the blanks around it; "" also when there is no memory. */
const char *visit_trimmed(const struct visit *visit, const char *text);
/* A field with the blanks around it, which are part of a supplier's name. */
const char *visit_whole_field(const struct visit *visit, const char *name);
/* A name that fits a partner's, form's or supplier's id, or "" (also for one that does not). */
const char *visit_id_field(const struct visit *visit, const char *name);
/* A number from 1 to most; fallback when not given, or none. */
int64_t visit_number_field(const struct visit *visit, const char *name, int64_t most,
                           int64_t fallback);
/* A day, as a browser's date field gives it ("2026-01-31"), as its first moment (UTC), or behind
 * its last when `end`. False: not given, or none. */
bool visit_day_field(const struct visit *visit, const char *name, bool end, int64_t *instant_out);
/* Why something is done, 1 to 1000 characters without controls, with the addresses in it hidden
 * (it comes to rest in the registry); in arena. NULL: not given, or not so. */
const char *visit_reason_field(struct visit *visit, const char *name);

/* ---- links ---- */

/* Appends text as a part of a path or a query, percent-encoded. */
void visit_add_encoded(struct strbuf *out, const char *text);
/* Appends this page's query, with name set to value ("": left out) and `cursor` left out unless it
 * is what is set: the links of filters and pages. Begins with "?", or is "". Not escaped for HTML:
 * give it to page_text. */
void visit_add_query(const struct visit *visit, struct strbuf *out, const char *name,
                     const char *value);

/* ---- answering ---- */

/* 303 to path (may carry a query), where a line says what was done: done is a key of layout.c's. */
enum result visit_done(struct visit *visit, const char *path, const char *done, struct error *err);
/* 303 to path. */
enum result visit_go(struct visit *visit, const char *path, struct error *err);
/* The key of a line that visit_done sent here, "" when there is none, or it is not ours. */
const char *visit_was_done(const struct visit *visit);
/* A whole page with a title and a sentence, both constants to be translated, and a way back. */
enum result visit_refuse(struct visit *visit, int status, const char *title, const char *sentence);
/* 404 with words for what is not there. */
enum result visit_nothing(struct visit *visit, const char *sentence);

/* The record of who looked or acted: act is a constant; key and masked (both NULL: nobody in
 * particular), partner, channel, subject, answer are copied. False: no memory. */
bool visit_note(struct visit *visit, const char *act, const struct access *what);

#endif
