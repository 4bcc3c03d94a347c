/* SPDX-License-Identifier: Apache-2.0 */
/* A person's STOP as an event of the registry: once, however often it is brought. */
#ifndef OCTROI_PROXY_SMS_WITHDRAWAL_H
#define OCTROI_PROXY_SMS_WITHDRAWAL_H

#include "proxy/sms/recorder.h"
#include "store/registry.h"

/* Inside a transaction: adds the event for those the job names, unless the registry has it already
 * (job->repeated). Errors as registry_add_event. */
enum result withdrawal_add(struct registry *registry, struct recorder_job *job, struct error *err);

#endif
