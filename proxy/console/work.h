/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request of the console's: copied out of its call on the loop, looked at by the guard and worked
 * on by a page at the desk, answered on the loop once its records are durable. What was done is put
 * on record also when nobody waits for the answer any more.
 */
#ifndef OCTROI_PROXY_CONSOLE_WORK_H
#define OCTROI_PROXY_CONSOLE_WORK_H

#include "console/visit.h"
#include "proxy/console/guard.h"
#include "proxy/desk/desk.h"
#include "proxy/http/service.h"
#include "proxy/snapshot.h"
#include "store/users.h"

/* Requests of one address under way: an office behind one address, and no more. */
#define CONSOLE_ADDRESS_MOST 32

enum console_need {
    NEED_INDEX = 1,  /* the journal's index, up to what is durable */
    NEED_HEALTH = 2, /* what the gateway knows of itself */
    NEED_NOBODY = 4, /* it is for whoever comes, before he is known (login) */
};

struct console_task {
    unsigned permits; /* PERMIT_ bits, of which he must have each */
    unsigned needs;   /* NEED_ bits */
    enum desk_pace pace;
    console_page *page;
};

struct console_work;

/* On the loop, in between two pages at the desk: goes on with console_go_on or console_finish, at
 * once or later. call NULL: nobody waits any more, and it can only be dropped. */
typedef void console_step(struct console_work *work, struct service_call *call);

struct console_work {
    struct desk_job job; /* first */
    struct lane *lane;   /* borrowed; the loop's alone, as the ticket */
    struct ticket ticket;
    const struct console_task *task;
    console_page *page;        /* the task's, or what it goes on with */
    bool admitted;             /* the guard has let it in */
    console_step *then;        /* set by a page: not answered, but this; cleared before */
    void *own;                 /* the steps', in the visit's arena */
    int64_t not_before;        /* of the answer, monotonic; 0: at once */
    struct snapshot *snapshot; /* owned reference */
    struct guard_request request;
    struct visit visit; /* its arena and page owned */
    char who[USER_NAME + 8];
};

/* Takes the call. */
void console_work(struct service_call *call, const struct console_task *task);
/* Has this page done at the desk next. */
void console_go_on(struct console_work *work, console_page *page);
/* send.c: the visit's download as the answer; batch as service_answer_recorded_or takes it, where
 * `recorded`. */
void console_send(struct service_call *call, struct console_work *work, struct journal_batch *batch,
                  bool recorded, service_handler *unrecorded);
/* The visit is what is answered, or kept on record alone where nobody waits. */
void console_finish(struct console_work *work);
/* Frees it; call of it, if any, must have been answered. */
void console_drop(struct console_work *work);
/* The work of a visit; for pages that are the gateway's own. */
struct console_work *console_work_of(struct visit *visit);

/* ---- pages that are the gateway's own ---- */

service_handler console_asset;         /* asset.c: style sheet, scripts, icon */
service_handler console_login;         /* login.c: a name and a password come */
console_page login_page;               /* … asks for them */
console_page logout_act, language_act; /* … */

#endif
