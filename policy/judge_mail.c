/* SPDX-License-Identifier: Apache-2.0 */
/* The rules on a mail's content, and what a partner's mode makes of a verdict. */
#include "policy/judge.h"

static bool blocked(struct judgement *judgement, enum reason reason)
{
    judgement->verdict = VERDICT_BLOCK;
    judgement->reason = reason;
    return false;
}

bool policy_judge_mail(const struct stream *stream, const struct mail_content *content,
                       struct judgement *judgement)
{
    /* Two From fields, or one that cannot be read, would let the reader see another sender than
     * the one that is checked here (RFC 5322 3.6 allows exactly one). */
    if (content->from_unreadable || content->from_headers > 1)
        return blocked(judgement, REASON_SENDER_NOT_ALLOWED);
    if (content->from_headers == 0)
        return blocked(judgement, REASON_IDENTITY_MISSING);
    if (content->n_from_domains == 0)
        return blocked(judgement, REASON_SENDER_NOT_ALLOWED);
    for (size_t i = 0; i < content->n_from_domains; i++)
        if (!stream_allows_domain(stream, content->from_domains[i]))
            return blocked(judgement, REASON_SENDER_NOT_ALLOWED);
    bool adds = stream_adds_unsubscribe(stream);
    if (adds && !content->unsubscribe_taken)
        return true;
    if (adds && stream->existing == EXISTING_REFUSE)
        return blocked(judgement, REASON_MALFORMED);
    /* One click takes both fields (RFC 8058). */
    bool required = stream->class == CLASS_PROSPECTING && stream->unsubscribe != UNSUBSCRIBE_OFF;
    if (required && !(content->list_unsubscribe && content->list_unsubscribe_post))
        return blocked(judgement, REASON_OPTOUT_MISSING);
    return true;
}

bool stream_adds_unsubscribe(const struct stream *stream)
{
    return stream->unsubscribe == UNSUBSCRIBE_ADD && stream->channel == CHANNEL_EMAIL &&
           stream->class == CLASS_PROSPECTING;
}

bool reason_always_enforced(enum reason reason)
{
    return reason == REASON_SUSPENDED || reason == REASON_SENDER_NOT_ALLOWED ||
           reason == REASON_OBJECTED || reason == REASON_WITHDRAWN;
}

enum effect policy_effect(enum mode mode, enum verdict verdict, enum reason reason)
{
    if (verdict == VERDICT_PASS)
        return EFFECT_PASSED;
    if (verdict == VERDICT_DEFER)
        return EFFECT_DEFERRED;
    if (mode == MODE_DISCARD)
        return EFFECT_DISCARDED;
    if (mode == MODE_OBSERVE && !reason_always_enforced(reason))
        return EFFECT_PASSED;
    return EFFECT_REFUSED;
}
