/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A withdrawal that names partners is for them. One for all concerns whoever holds or held a grant
 * of the person, and whoever's messages were let pass to her: either may have her in its lists.
 */
#include "proxy/notices/spread.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define BATCH 100 /* notices in one transaction: some ten milliseconds */

struct pending {
    int64_t event;
    uint8_t key[RECIPIENT_KEY_BYTES];
    size_t named; /* in names: joined by '|'; "" : all */
};

struct batch {
    struct pending items[BATCH];
    size_t n;
    struct strbuf names; /* each with its NUL */
};

static bool keep(void *arg, const struct notice *notice)
{
    struct batch *batch = arg;
    struct pending *item = &batch->items[batch->n++];
    item->event = notice->event.id;
    memcpy(item->key, notice->recipient_key, sizeof(item->key));
    item->named = batch->names.length;
    strbuf_add(&batch->names, notice->event.partners, strlen(notice->event.partners) + 1);
    return batch->n < BATCH;
}

/* ---- those concerned ---- */

struct list {
    const struct config *config;
    struct strbuf names; /* each with its NUL, each once */
    size_t n;
};

static void add_name(struct list *list, const char *name, size_t length)
{
    const char *end = list->names.data + list->names.length;
    for (const char *at = list->names.data; at != NULL && at < end; at += strlen(at) + 1)
        if (strlen(at) == length && memcmp(at, name, length) == 0)
            return;
    strbuf_add(&list->names, name, length);
    strbuf_add(&list->names, "", 1);
    list->n++;
}

static bool add_holder(void *arg, const char *partner)
{
    add_name(arg, partner, strlen(partner));
    return true;
}

static bool accepts_categories(const struct config *config)
{
    for (int channel = 0; channel < CHANNEL_COUNT; channel++)
        if (config->policies[channel].partner_naming == NAMING_CATEGORY)
            return true;
    return false;
}

/* Where a category will do, whoever belongs to it holds the grant. */
static bool add_category(void *arg, const char *category)
{
    struct list *list = arg;
    const struct config *config = list->config;
    for (size_t i = 0; i < config->n_partners; i++) {
        const struct partner *partner = &config->partners[i];
        for (size_t j = 0; j < partner->n_categories; j++)
            if (strcmp(partner->categories[j], category) == 0)
                add_name(list, partner->id, strlen(partner->id));
    }
    return true;
}

static bool add_contact(void *arg, const struct contact *contact)
{
    if (contact->passed_at != 0)
        add_name(arg, contact->partner, strlen(contact->partner));
    return true;
}

static void add_named(struct list *list, const char *joined)
{
    while (*joined != '\0') {
        size_t length = strcspn(joined, "|");
        add_name(list, joined, length);
        joined += length;
        joined += *joined == '|';
    }
}

static enum result find(struct registry *registry, struct journal_index *index,
                        const struct pending *item, const char *named, struct list *list,
                        struct error *err)
{
    add_named(list, named);
    if (*named != '\0')
        return RESULT_OK;
    enum result result = registry_holders(registry, item->key, add_holder, list, err);
    if (result == RESULT_OK && accepts_categories(list->config))
        result = registry_holder_categories(registry, item->key, add_category, list, err);
    return result == RESULT_OK ? journal_index_contacts(index, item->key, add_contact, list, err)
                               : result;
}

static const char *hindrance(const struct config *config, const char *partner)
{
    if (config_partner(config, partner) == NULL)
        return "the configuration knows no such partner";
    return config_notices(config, partner) == NULL ? "nothing is configured" : NULL;
}

static enum result spread(struct registry *registry, const struct pending *item,
                          const struct list *list, int64_t now, struct error *err)
{
    struct concerned *concerned = calloc(list->n + 1, sizeof(*concerned));
    if (concerned == NULL || list->names.failed) {
        free(concerned);
        return error_no_memory(err);
    }
    const char *name = list->names.data;
    for (size_t i = 0; i < list->n; i++, name += strlen(name) + 1)
        concerned[i] = (struct concerned){name, hindrance(list->config, name)};
    enum result result =
        registry_spread_notice(registry, item->event, concerned, list->n, now, err);
    free(concerned);
    return result;
}

static enum result spread_one(struct registry *registry, struct journal_index *index,
                              const struct config *config, const struct pending *item,
                              const char *named, int64_t now, struct error *err)
{
    struct list list = {.config = config};
    enum result result = find(registry, index, item, named, &list, err);
    if (result == RESULT_OK)
        result = spread(registry, item, &list, now, err);
    strbuf_free(&list.names);
    return result;
}

/* Those from first on, before end: all of them or none. */
static enum result spread_some(struct registry *registry, struct journal_index *index,
                               const struct config *config, const struct batch *batch, size_t first,
                               size_t end, int64_t now, struct error *err)
{
    enum result result = registry_begin(registry, err);
    if (result != RESULT_OK)
        return result;
    for (size_t i = first; i < end && result == RESULT_OK; i++)
        result = spread_one(registry, index, config, &batch->items[i],
                            batch->names.data + batch->items[i].named, now, err);
    if (result == RESULT_OK)
        return registry_commit(registry, err);
    registry_rollback(registry);
    return result;
}

/* One that does not go keeps no other from going. */
static enum result spread_batch(struct registry *registry, struct journal_index *index,
                                const struct config *config, const struct batch *batch, int64_t now,
                                struct error *err)
{
    struct error why = {0};
    enum result first = RESULT_OK;
    enum result result = spread_some(registry, index, config, batch, 0, batch->n, now, err);
    if (result != RESULT_DAMAGED)
        return result;
    for (size_t i = 0; i < batch->n && (result == RESULT_OK || result == RESULT_DAMAGED); i++) {
        result = spread_some(registry, index, config, batch, i, i + 1, now, &why);
        if (result != RESULT_OK && first == RESULT_OK) {
            first = result;
            *err = why;
        }
    }
    return first;
}

enum result spread_notices(struct registry *registry, struct journal_index *index,
                           const struct config *config, int64_t now, bool *more_out,
                           struct error *err)
{
    *more_out = false;
    struct batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        return error_no_memory(err);
    struct error why = {0};
    enum result read = registry_unspread_notices(registry, index == NULL, keep, batch, &why);
    enum result result = read == RESULT_DAMAGED ? RESULT_OK : read;
    if (result == RESULT_OK && batch->names.failed)
        result = error_no_memory(&why);
    if (result == RESULT_OK && batch->n > 0)
        result = spread_batch(registry, index, config, batch, now, &why);
    *more_out = result == RESULT_OK && batch->n == BATCH;
    if (result == RESULT_OK)
        result = read;
    if (result != RESULT_OK)
        *err = why;
    strbuf_free(&batch->names);
    free(batch);
    return result;
}

static bool see(void *arg, const struct notice *notice)
{
    (void)notice;
    *(bool *)arg = true;
    return false;
}

enum result spread_wanted(struct registry *registry, bool *wanted_out, struct error *err)
{
    *wanted_out = false;
    return registry_unspread_notices(registry, false, see, wanted_out, err);
}
