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

struct console_work {
    struct desk_job job; /* first */
    struct lane *lane;   /* borrowed; the loop's alone, as the ticket */
    struct ticket ticket;
    const struct console_task *task;
    struct snapshot *snapshot; /* owned reference */
    struct guard_request request;
    struct visit visit; /* its arena and page owned */
    char who[USER_NAME + 8];
};

/* Takes the call. */
void console_work(struct service_call *call, const struct console_task *task);

/* ---- pages that are the gateway's own ---- */

service_handler console_asset; /* asset.c: style sheet, scripts, icon */

#endif
