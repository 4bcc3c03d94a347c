/* SPDX-License-Identifier: Apache-2.0 */
/* The post inside: its thread's own things (look.c, speak.c), and what it shares with a loop. */
#ifndef OCTROI_PROXY_POST_INTERNAL_H
#define OCTROI_PROXY_POST_INTERNAL_H

#include "office/checker.h"
#include "proxy/post/courier.h"
#include "proxy/post/mailing.h"
#include "proxy/post/post.h"
#include "store/registry.h"

#include <pthread.h>

#define ANSWER_MOST 512

/* How often one mail was tried; of those that could not be sent. */
struct attempt {
    char name[OUTBOX_NAME];
    unsigned count;
    int64_t first_at, next_at;
    bool waits; /* still in the outbox */
};

struct post {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* Under lock. */
    bool stopping;
    struct snapshot *snapshot; /* owned reference */
    struct journal *journal;   /* borrowed; NULL once let go */
    struct courier *courier;   /* one that is under way */
    bool answered, accepted;
    char answer[ANSWER_MOST];
    /* The thread's. */
    struct post_options options;
    char *state_path; /* owned, as all that follows */
    char *registry_path;
    char *index_path;
    char *journal_path;
    struct outbox *outbox;
    struct registry *registry;   /* NULL while it is not open */
    struct journal_index *index; /* likewise */
    struct checker *checker;     /* borrowed */
    struct lookout lookout;
    char *saved; /* the state as it is on disk */
    bool has_state;
    bool failing;       /* the registry could not be asked, and it was said */
    bool state_failing; /* likewise of the state's file */
    int64_t began_at, look_at, count_at, verify_at;
    int64_t suspension_at; /* the newest that was seen */
    uint64_t digest_run;   /* the check that a digest waits for; 0: none is due */
    int32_t digest_date;
    int64_t digest_retry_at;
    int64_t said[1000]; /* when the last alerts were; a ring */
    size_t n_said;
    char sending[OUTBOX_NAME]; /* "": nothing is */
    struct attempt *attempts;
    size_t n_attempts;
};

/* look.c: how everything is, into the lookout. */
void post_look(struct post *post, const struct snapshot *snapshot, int64_t now);
/* Opened when needed; false: not now, err says why. */
bool post_open_registry(struct post *post, struct error *err);

/* speak.c: what is due becomes mails. */
void post_speak(struct post *post, const struct config *config, int64_t now);
void post_digest(struct post *post, const struct config *config, int64_t now);
/* Keeps what was said, when it changed. */
void post_save(struct post *post);

/* dispatch.c: mails leave. */
void post_dispatch(struct post *post, const struct snapshot *snapshot, int64_t now);

#endif
