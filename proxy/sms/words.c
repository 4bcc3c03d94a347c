/* SPDX-License-Identifier: Apache-2.0 */
/* How the end of a message is told to partners that speak SMPP. */
#include "proxy/sms/sms.h"

/* The provider's own status, but for those it means for the connection between it and the gate,
 * which is not the partner's. */
static uint32_t provider_status(const struct sms_reply *reply)
{
    switch (reply->smpp_status) {
    case SMPP_RMSGQFUL:
    case SMPP_RTHROTTLED:
        return SMPP_RTHROTTLED;
    case 0:
    case SMPP_RINVCMDLEN:
    case SMPP_RINVCMDID:
    case SMPP_RINVBNDSTS:
    case SMPP_RALYBND:
    case SMPP_RBINDFAIL:
    case SMPP_RINVPASWD:
    case SMPP_RINVSYSID:
    case SMPP_RSYSERR:
    case SMPP_RX_T_APPN:
        return reply->end == SMS_END_BUSY ? SMPP_RSYSERR : SMPP_RSUBMITFAIL;
    default:
        return reply->smpp_status;
    }
}

uint32_t sms_smpp_status(const struct sms_reply *reply, uint32_t blocked)
{
    static const uint32_t statuses[SMS_END_COUNT] = {
        [SMS_END_ACCEPTED] = SMPP_ROK,          [SMS_END_DEFERRED] = SMPP_RSYSERR,
        [SMS_END_UNABLE] = SMPP_RSYSERR,        [SMS_END_OVER_RATE] = SMPP_RTHROTTLED,
        [SMS_END_BAD_NUMBER] = SMPP_RINVDSTADR, [SMS_END_BAD_SCHEDULE] = SMPP_RINVSCHED,
        [SMS_END_LOST] = SMPP_RSYSERR,
    };
    if (reply->end == SMS_END_BLOCKED)
        return blocked;
    if (reply->end == SMS_END_REFUSED || reply->end == SMS_END_BUSY)
        return provider_status(reply);
    return statuses[reply->end];
}
