/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which records go. A decision by its own moment, an outcome with its decision: the index knows
 * whose it is. An outcome whose decision is nowhere has lost it to an earlier purge that did not
 * come to its end, and follows. Records of other kinds stay, but for those that name a person: who
 * looked at her, and a later version's, which this one cannot weigh, end with the decisions.
 */
#include "policy/judge.h"
#include "store/purge_internal.h"

#include <string.h>

/* Between a message's decision and its outcome lie at most the deadlines of a session. */
#define OUTCOME_LAG (2 * CLOCK_DAY)

#define FIELD(record, length, key) field(record, length, ",\"" key "\":\"")

/* The text of a key of a flat record. A quote within a text is escaped, so ,"key":" can only be
 * what it looks like. */
static struct purge_text field(const char *record, size_t length, const char *key)
{
    const char *found = memmem(record, length, key, strlen(key));
    if (found == NULL)
        return (struct purge_text){0};
    found += strlen(key);
    const char *end = record + length;
    const char *at = found;
    while (at < end && *at != '"')
        at += *at == '\\' && at + 1 < end ? 2 : 1;
    return at < end ? (struct purge_text){found, (size_t)(at - found)} : (struct purge_text){0};
}

static bool is_word(struct purge_text text, const char *word)
{
    return text.text != NULL && text.length == strlen(word) &&
           memcmp(text.text, word, text.length) == 0;
}

/* INT64_MAX when it names none: then it stays. */
static int64_t moment(const char *record, size_t length)
{
    int64_t at;
    struct purge_text text = FIELD(record, length, "at");
    return text.text != NULL && clock_parse(text.text, text.length, &at) ? at : INT64_MAX;
}

int64_t journal_purge_limit(int64_t now, struct duration period)
{
    int64_t limit = clock_subtract(now, period);
    int64_t beyond = limit % CLOCK_DAY;
    return limit - (beyond < 0 ? beyond + CLOCK_DAY : beyond);
}

/* From then on an outcome's decision need not be looked up. */
static int64_t horizon(const struct journal_purge_limits *limits)
{
    return (limits->journal > limits->detail ? limits->journal : limits->detail) + OUTCOME_LAG;
}

static enum purge_fate by_moment(const struct journal_purge *purge, int64_t at, bool detail)
{
    if (at < purge->limits.journal)
        return PURGE_AGED;
    return detail && at < purge->limits.detail ? PURGE_DETAIL : PURGE_KEEP;
}

/* What observe mode let through; not the rows of a screened list, which are proof of what was
 * handed over. */
static bool is_detail(const char *record, size_t length, struct purge_text reason_text)
{
    char name[32];
    enum reason reason;
    return is_word(FIELD(record, length, "mode"), "observe") &&
           is_word(FIELD(record, length, "verdict"), "block") && reason_text.text != NULL &&
           str_copy_n(name, sizeof(name), reason_text.text, reason_text.length) &&
           reason_parse(name, &reason) && !reason_always_enforced(reason) &&
           FIELD(record, length, "list").text == NULL;
}

static enum result fate_of_outcome(const struct journal_purge *purge, uint64_t row_number,
                                   const char *record, size_t length, int64_t at,
                                   enum purge_fate *fate_out, struct error *err)
{
    struct index_decision decision;
    struct purge_text id = FIELD(record, length, "id");
    if (at >= horizon(&purge->limits) || id.text == NULL)
        return RESULT_OK;
    enum result result = index_find_decision(purge->index, id, row_number, &decision, err);
    if (result != RESULT_OK)
        return result;
    if (decision.known)
        *fate_out = by_moment(purge, decision.at, decision.detail);
    else
        *fate_out = at < purge->limits.journal ? PURGE_AGED : PURGE_DETAIL;
    return RESULT_OK;
}

enum result purge_fate(const struct journal_purge *purge, uint64_t row_number, const char *record,
                       size_t length, enum purge_fate *fate_out, struct purge_row *row_out,
                       struct error *err)
{
    *fate_out = PURGE_KEEP;
    *row_out =
        (struct purge_row){.type = record_type(record, length), .at = moment(record, length)};
    switch (row_out->type) {
    case RECORD_DECISION:
        row_out->partner = FIELD(record, length, "partner");
        row_out->channel = FIELD(record, length, "channel");
        row_out->reason = FIELD(record, length, "reason");
        row_out->detail = is_detail(record, length, row_out->reason);
        *fate_out = by_moment(purge, row_out->at, row_out->detail);
        return RESULT_OK;
    case RECORD_OUTCOME:
        return fate_of_outcome(purge, row_number, record, length, row_out->at, fate_out, err);
    case RECORD_ACCESS:
    case RECORD_OTHER:
        if (FIELD(record, length, "recipient_key").text != NULL)
            *fate_out = by_moment(purge, row_out->at, false);
        return RESULT_OK;
    default:
        return RESULT_OK;
    }
}
