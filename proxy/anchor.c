/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/anchor.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/registry.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY (10 * CLOCK_SECOND)

struct anchor {
    struct registry *registry; /* owned; reads only */
    struct journal *journal;   /* borrowed */
    struct loop *home;         /* borrowed */
    char *gateway;             /* owned */
    int64_t event;             /* the last one that the journal was given */
    int64_t look_at;           /* monotonic */
    bool failing;
};

enum result anchor_new(const char *registry_path, const char *gateway, struct journal *journal,
                       struct loop *home, struct anchor **anchor_out, struct error *err)
{
    struct anchor *anchor = calloc(1, sizeof(*anchor));
    if (anchor == NULL)
        return error_no_memory(err);
    anchor->journal = journal;
    anchor->home = home;
    anchor->gateway = strdup(gateway);
    enum result result = anchor->gateway == NULL
                             ? error_no_memory(err)
                             : registry_open_reader(registry_path, &anchor->registry, err);
    if (result == RESULT_OK)
        *anchor_out = anchor;
    else
        anchor_free(&anchor);
    return result;
}

/* Nobody waits for the row: the journal keeps it until it can be written. */
static enum result note(struct anchor *anchor, int64_t event, const uint8_t hash[SHA256_BYTES],
                        struct error *err)
{
    struct registry_anchor row = {.at = clock_now(), .gateway = anchor->gateway, .event = event};
    struct journal_batch *batch = journal_batch_new();
    memcpy(row.hash, hash, sizeof(row.hash));
    if (batch == NULL || !journal_batch_registry(batch, &row)) {
        journal_batch_free(&batch);
        return error_no_memory(err);
    }
    journal_append(anchor->journal, batch, anchor->home, NULL, NULL);
    anchor->event = event;
    return RESULT_OK;
}

void anchor_now(struct anchor *anchor)
{
    struct error err = {0};
    uint8_t hash[SHA256_BYTES];
    int64_t event = 0;
    if (anchor == NULL)
        return;
    anchor->look_at = clock_monotonic() + LOOK_EVERY;
    enum result result = registry_head(anchor->registry, &event, hash, &err);
    if (result == RESULT_OK && event != anchor->event)
        result = note(anchor, event, hash, &err);
    if (result != RESULT_OK && !anchor->failing)
        log_event(LOG_LEVEL_ERROR, "the journal cannot vouch for the registry",
                  LOG_TEXT("reason", err.text));
    anchor->failing = result != RESULT_OK;
}

void anchor_tick(struct anchor *anchor)
{
    if (anchor != NULL && clock_monotonic() >= anchor->look_at)
        anchor_now(anchor);
}

void anchor_free(struct anchor **anchor_pointer)
{
    struct anchor *anchor = *anchor_pointer;
    if (anchor == NULL)
        return;
    registry_close(&anchor->registry);
    free(anchor->gateway);
    free(anchor);
    *anchor_pointer = NULL;
}
