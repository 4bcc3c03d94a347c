/* SPDX-License-Identifier: Apache-2.0 */
/* A registry in a folder of its own, and short ways to put forms and events into it. */
#ifndef OCTROI_TESTS_REGISTRY_H
#define OCTROI_TESTS_REGISTRY_H

#include "base/clock.h"
#include "store/registry_internal.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct bench {
    char folder[256];
    char path[300];
    struct registry *registry;
    struct error err;
};

static inline void bench_open(struct bench *bench)
{
    const char *tmp = getenv("TMPDIR");
    *bench = (struct bench){0};
    snprintf(bench->folder, sizeof(bench->folder), "%s/octroi-registry-XXXXXX",
             tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(bench->folder));
    snprintf(bench->path, sizeof(bench->path), "%s/registry.db", bench->folder);
    ck_assert_msg(registry_open(bench->path, true, &bench->registry, &bench->err) == RESULT_OK,
                  "%s", bench->err.text);
}

static inline void bench_close(struct bench *bench)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    registry_close(&bench->registry);
    for (size_t i = 0; i < 3; i++) {
        char name[320];
        snprintf(name, sizeof(name), "%s%s", bench->path, ends[i]);
        unlink(name);
    }
    ck_assert_int_eq(rmdir(bench->folder), 0);
}

static inline int64_t at(const char *text)
{
    int64_t instant = 0;
    ck_assert_msg(clock_parse(text, strlen(text), &instant), "%s", text);
    return instant;
}

#define NOW "2026-06-01T00:00:00Z"

/* Adds ID@version listing partners (JSON items, such as "\"acme\",\"beta\""). */
static inline enum result put_form(struct registry *registry, const char *id, int version,
                                   const char *from, const char *partners, const char *categories,
                                   struct error *err)
{
    char json[2048];
    snprintf(json, sizeof(json),
             "{\"id\":\"%s\",\"version\":%d,\"collector\":{\"name\":\"Leads SARL\","
             "\"siren\":\"987654321\"},\"channels\":[\"email\",\"sms\"],\"language\":\"fr\","
             "\"display\":\"inline\",\"wording\":\"J'accepte\",\"effective_from\":\"%s\","
             "\"partners\":[%s],\"partner_categories\":[%s],\"purposes\":[\"receipt\"]}",
             id, version, from, partners, categories);
    struct form *form = NULL;
    bool added;
    enum result result = form_parse(json, strlen(json), &form, err);
    if (result == RESULT_OK)
        result = registry_add_form(registry, form, &added, err);
    form_free(&form);
    return result;
}

/* A grant by e-mail to recipient number `who`, with form jeu-ete@form_version unless that is 0. */
static inline struct event_input grant(uint8_t who, int form_version, const char *when)
{
    struct event_input event = {
        .address_kind = ADDRESS_EMAIL,
        .kind = EVENT_GIVEN,
        .channels = CHANNEL_BIT(CHANNEL_EMAIL),
        .occurred_at = at(when),
        .form_id = form_version > 0 ? "jeu-ete" : NULL,
        .form_version = form_version,
        .basis = BASIS_CONSENT,
        .supplier = "",
        .collector = "",
        .evidence = "box ticked",
        .origin = "test",
    };
    memset(event.recipient_key, who, sizeof(event.recipient_key));
    return event;
}

static inline unsigned put(struct registry *registry, const struct event_input *event)
{
    struct error err = {0};
    unsigned added = 0;
    ck_assert_msg(registry_add_event(registry, event, at(NOW), &added, &err) == RESULT_OK, "%s",
                  err.text);
    return added;
}

#endif
