/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/post/lookout.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[TROUBLE_KINDS] = {
    [TROUBLE_CHAIN] = "chain",         [TROUBLE_JOURNAL] = "journal",
    [TROUBLE_PROVIDER] = "provider",   [TROUBLE_OVERDUE] = "overdue",
    [TROUBLE_SUSPENDED] = "suspended",
};

void lookout_begin(struct lookout *lookout)
{
    memset(lookout->looked, 0, sizeof(lookout->looked));
    for (size_t i = 0; i < lookout->n; i++)
        lookout->troubles[i].seen = false;
}

void lookout_looked(struct lookout *lookout, enum trouble_kind kind)
{
    lookout->looked[kind] = true;
}

static struct trouble *find(struct lookout *lookout, enum trouble_kind kind, const char *subject)
{
    for (size_t i = 0; i < lookout->n; i++)
        if (lookout->troubles[i].kind == kind && strcmp(lookout->troubles[i].subject, subject) == 0)
            return &lookout->troubles[i];
    return NULL;
}

bool lookout_see(struct lookout *lookout, enum trouble_kind kind, const char *subject,
                 const char *detail, int64_t now)
{
    char key[TROUBLE_SUBJECT];
    str_copy(key, sizeof(key), subject);
    struct trouble *trouble = find(lookout, kind, key);
    if (trouble == NULL) {
        if (lookout->n == TROUBLES_MOST)
            return false;
        trouble = &lookout->troubles[lookout->n++];
        *trouble = (struct trouble){.kind = kind, .since = now};
        str_copy(trouble->subject, sizeof(trouble->subject), key);
    } else if (trouble->over) {
        /* Nobody heard yet that it was over: then it was not. */
        trouble->over = false;
    }
    str_copy(trouble->detail, sizeof(trouble->detail), detail);
    trouble->seen = trouble->live = true;
    return true;
}

void lookout_keep(struct lookout *lookout, enum trouble_kind kind, const char *subject)
{
    struct trouble *trouble = find(lookout, kind, subject);
    if (trouble != NULL && !trouble->live)
        trouble->seen = true;
}

static void forget(struct lookout *lookout, size_t i)
{
    lookout->n--;
    memmove(&lookout->troubles[i], &lookout->troubles[i + 1],
            (lookout->n - i) * sizeof(lookout->troubles[0]));
}

void lookout_end(struct lookout *lookout)
{
    for (size_t i = lookout->n; i-- > 0;) {
        struct trouble *trouble = &lookout->troubles[i];
        if (trouble->seen || trouble->over || !lookout->looked[trouble->kind])
            continue;
        if (trouble->said_at == 0)
            forget(lookout, i);
        else
            trouble->over = true;
    }
}

size_t lookout_due(const struct lookout *lookout, int64_t now,
                   const int64_t patience[TROUBLE_KINDS], int64_t repeat_after,
                   struct saying *sayings_out)
{
    size_t n = 0;
    for (size_t i = 0; i < lookout->n; i++) {
        const struct trouble *trouble = &lookout->troubles[i];
        struct saying saying = {.trouble = i};
        if (trouble->over)
            saying.kind = SAYING_OVER;
        else if (trouble->said_at == 0 && now - trouble->since >= patience[trouble->kind])
            saying.kind = SAYING_NEW;
        else if (trouble->said_at != 0 && trouble->kind != TROUBLE_SUSPENDED &&
                 now - trouble->said_at >= repeat_after)
            saying.kind = SAYING_AGAIN; /* suspensions stand in each digest */
        else
            continue;
        sayings_out[n++] = saying;
    }
    return n;
}

void lookout_said(struct lookout *lookout, const struct saying *saying, int64_t now)
{
    struct trouble *trouble = &lookout->troubles[saying->trouble];
    /* What is over is swept away as what was never said. */
    trouble->said_at = saying->kind == SAYING_OVER ? 0 : now;
}

void lookout_sweep(struct lookout *lookout)
{
    for (size_t i = lookout->n; i-- > 0;)
        if (lookout->troubles[i].over && lookout->troubles[i].said_at == 0)
            forget(lookout, i);
}

/* ---- as text ---- */

bool lookout_write(const struct lookout *lookout, struct strbuf *out)
{
    strbuf_add_char(out, '{');
    strbuf_add_json_number(out, "version", 1);
    strbuf_add_json_number(out, "digest_sent_on", lookout->digest_sent_on);
    strbuf_add_json_number(out, "suspensions_until", lookout->suspensions_until);
    strbuf_add_str(out, ",\"troubles\":[");
    for (size_t i = 0; i < lookout->n; i++) {
        const struct trouble *trouble = &lookout->troubles[i];
        strbuf_add_str(out, i > 0 ? ",\n{" : "\n{");
        strbuf_add_json_field(out, "kind", kind_names[trouble->kind]);
        strbuf_add_json_field(out, "subject", trouble->subject);
        strbuf_add_json_field(out, "detail", trouble->detail);
        strbuf_add_json_number(out, "since", trouble->since);
        strbuf_add_json_number(out, "said_at", trouble->said_at);
        strbuf_add_str(out, trouble->over ? ",\"over\":true}" : ",\"over\":false}");
    }
    strbuf_add_str(out, "]}\n");
    return !out->failed;
}

static bool read_trouble(const json_t *item, struct trouble *trouble)
{
    const char *kind, *subject, *detail;
    json_int_t since, said_at;
    int over;
    if (json_unpack((json_t *)item, "{s:s, s:s, s:s, s:I, s:I, s:b}", "kind", &kind, "subject",
                    &subject, "detail", &detail, "since", &since, "said_at", &said_at, "over",
                    &over) != 0)
        return false;
    *trouble = (struct trouble){
        .kind = TROUBLE_KINDS, .since = since, .said_at = said_at, .over = over != 0};
    for (int i = 0; i < TROUBLE_KINDS; i++)
        if (strcmp(kind, kind_names[i]) == 0)
            trouble->kind = (enum trouble_kind)i;
    str_copy(trouble->subject, sizeof(trouble->subject), subject);
    str_copy(trouble->detail, sizeof(trouble->detail), detail);
    return trouble->kind != TROUBLE_KINDS;
}

enum result lookout_read(struct lookout *lookout, const char *text, size_t length,
                         struct error *err)
{
    json_t *troubles = NULL, *item;
    json_int_t sent_on = 0, until = 0;
    size_t i;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    bool ok = json != NULL &&
              json_unpack(json, "{s:I, s:I, s:o}", "digest_sent_on", &sent_on, "suspensions_until",
                          &until, "troubles", &troubles) == 0 &&
              json_is_array(troubles) && json_array_size(troubles) <= TROUBLES_MOST;
    memset(lookout, 0, sizeof(*lookout));
    if (ok) {
        lookout->digest_sent_on = (int32_t)sent_on;
        lookout->suspensions_until = until;
        json_array_foreach(troubles, i, item) ok = ok && read_trouble(item, &lookout->troubles[i]);
        lookout->n = json_array_size(troubles);
    }
    json_decref(json);
    if (ok)
        return RESULT_OK;
    memset(lookout, 0, sizeof(*lookout));
    return error_set(err, RESULT_DAMAGED, "it cannot be read");
}
