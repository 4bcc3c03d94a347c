/* SPDX-License-Identifier: Apache-2.0 */
/* The rule on the text of an SMS. */
#include "policy/judge.h"
#include "policy/stop.h"

bool policy_judge_sms(const struct stream *stream, const struct channel_policy *policy,
                      const char *text, struct judgement *judgement)
{
    if (!policy->stop_mention || stream->class != CLASS_PROSPECTING)
        return true;
    /* What cannot be read may say anything: it is not taken for having said how to stop. */
    if (text != NULL && stop_mentioned(text))
        return true;
    judgement->verdict = VERDICT_BLOCK;
    judgement->reason = REASON_STOP_MISSING;
    return false;
}
