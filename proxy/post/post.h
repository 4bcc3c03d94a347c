/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail to compliance: a digest once a day, an alert when something goes wrong, and that it is over.
 * One thread looks, writes and keeps what it said (state_dir/post); mails leave on the first lane's
 * loop. It asks nobody's leave: these mails are no prospecting, and say nothing of any recipient.
 */
#ifndef OCTROI_PROXY_POST_POST_H
#define OCTROI_PROXY_POST_POST_H

#include "proxy/snapshot.h"
#include "store/journal.h"

struct post;

struct checker;
struct post_options {
    const char *state_dir;                 /* copied */
    struct journal *journal;               /* borrowed, until post_stop */
    const struct signing_key *journal_key; /* borrowed */
    struct checker *checker;               /* borrowed, until post_stop */
    struct loop *loop;                     /* borrowed; where mails leave */
};

/* Under state_dir/lock. Takes a reference to snapshot. */
enum result post_start(const struct post_options *options, struct snapshot *snapshot,
                       struct post **post_out, struct error *err);
/* A reload: what is done from now on, it is done by this. Any thread. */
void post_follow(struct post *post, struct snapshot *snapshot);
/* Ends the thread, while the loop still runs or after it. post NULL: nothing. */
void post_stop(struct post *post);
/* After post_stop, when the loop's thread has ended and the loop is quiet: what is under way is
 * given up, and is sent again when there is a gate again. */
void post_free(struct post **post);

#endif
