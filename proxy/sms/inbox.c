/* SPDX-License-Identifier: Apache-2.0 */
/* The inbox as the gateway has it, and what flights tell it. Owns the recorder and the callbacks.
 */
#include "proxy/sms/inbox.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a provider that knows of an opt-out ---- */

struct opt_out {
    struct recorder_job job;
    struct inbox *inbox;       /* borrowed: outlives the recorder */
    const char *candidates[1]; /* partner */
    char provider[SENT_NAME_MAX];
    char partner[SENT_NAME_MAX];
    char origin[128];
    char number[20]; /* the person's, clear */
};

static void on_opt_out(struct loop_task *task)
{
    struct opt_out *opt_out = CONTAINER_OF(task, struct opt_out, job.task);
    if (opt_out->job.result != RESULT_OK)
        inbox_count(opt_out->inbox, STOPS_FAILED);
    else if (!opt_out->job.repeated)
        inbox_count(opt_out->inbox, STOPS_RECORDED);
    recorder_job_end(&opt_out->job);
    wipe(opt_out, sizeof(*opt_out));
    free(opt_out);
}

void inbox_opted_out(struct inbox *inbox, const char *provider, const char *partner,
                     const uint8_t key[RECIPIENT_KEY_BYTES], const char *number)
{
    struct opt_out *opt_out = inbox->recorder != NULL ? calloc(1, sizeof(*opt_out)) : NULL;
    if (opt_out != NULL) {
        opt_out->inbox = inbox;
        str_copy(opt_out->provider, sizeof(opt_out->provider), provider);
        str_copy(opt_out->partner, sizeof(opt_out->partner), partner);
        opt_out->candidates[0] = opt_out->partner;
        snprintf(opt_out->origin, sizeof(opt_out->origin), "refused as opted out by %s",
                 opt_out->provider);
        opt_out->job = (struct recorder_job){
            .task.run = on_opt_out,
            .kind = RECORDER_WITHDRAW,
            .provider = opt_out->provider,
            .at = clock_now(),
            .candidates = opt_out->candidates,
            .n_candidates = 1,
            .origin = opt_out->origin,
            .evidence = "the provider's refusal of a message",
        };
        if (str_copy(opt_out->number, sizeof(opt_out->number), number))
            opt_out->job.address = opt_out->number;
        memcpy(opt_out->job.key, key, sizeof(opt_out->job.key));
    }
    if (opt_out != NULL && recorder_submit(inbox->recorder, &opt_out->job))
        return;
    free(opt_out);
    inbox_count(inbox, STOPS_FAILED);
    log_event(LOG_LEVEL_ERROR, "a withdrawal could not be recorded", LOG_TEXT("provider", provider),
              LOG_TEXT("reason", "too many wait, or memory is short"));
}

/* ---- life ---- */

struct inbox *inbox_new(struct lane *const *lanes, unsigned n_lanes, struct binds *binds,
                        struct sent *sent)
{
    struct inbox *inbox = calloc(1, sizeof(*inbox));
    if (inbox == NULL)
        return NULL;
    inbox->lanes = calloc(n_lanes, sizeof(struct lane *));
    if (inbox->lanes == NULL) {
        free(inbox);
        return NULL;
    }
    memcpy(inbox->lanes, lanes, n_lanes * sizeof(struct lane *));
    inbox->n_lanes = n_lanes;
    inbox->binds = binds;
    inbox->sent = sent;
    inbox->sink = (struct sms_sink){.on_inbound = inbox_on_inbound, .gate = inbox};
    return inbox;
}

const struct sms_sink *inbox_sink(const struct inbox *inbox)
{
    return &inbox->sink;
}

enum result inbox_start(struct inbox *inbox, const char *registry_path, const char *index_path,
                        const char *journal_directory, const struct seal *seal, struct error *err)
{
    const struct recorder_options options = {
        .registry = registry_path,
        .index = index_path,
        .directory = journal_directory,
        .sent = inbox->sent,
        .seal = seal,
    };
    enum result result = callbacks_new(&inbox->callbacks, err);
    return result == RESULT_OK ? recorder_start(&options, &inbox->recorder, err) : result;
}

void inbox_stop(struct inbox *inbox)
{
    if (inbox == NULL)
        return;
    recorder_stop(&inbox->recorder);
    callbacks_free(&inbox->callbacks);
}

void inbox_free(struct inbox **inbox_pointer)
{
    struct inbox *inbox = *inbox_pointer;
    if (inbox == NULL)
        return;
    inbox_stop(inbox);
    free(inbox->lanes);
    free(inbox);
    *inbox_pointer = NULL;
}

void inbox_counts(const struct inbox *inbox, struct inbox_counts *counts_out)
{
    uint64_t *const out[COUNTS] = {
        [STOPS_RECORDED] = &counts_out->stops_recorded,
        [STOPS_FAILED] = &counts_out->stops_failed,
        [STOPS_UNREADABLE] = &counts_out->stops_unreadable,
        [REPORTS_DELIVERED] = &counts_out->reports_delivered,
        [REPORTS_LATER] = &counts_out->reports_later,
        [REPORTS_UNKNOWN] = &counts_out->reports_unknown,
        [REPORTS_UNWANTED] = &counts_out->reports_unwanted,
        [MESSAGES_DELIVERED] = &counts_out->messages_delivered,
        [MESSAGES_LATER] = &counts_out->messages_later,
        [MESSAGES_NOBODYS] = &counts_out->messages_nobodys,
        [MESSAGES_UNWANTED] = &counts_out->messages_unwanted,
    };
    for (int i = 0; i < COUNTS; i++)
        *out[i] = atomic_load(&inbox->counts[i]);
}
