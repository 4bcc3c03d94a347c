/* SPDX-License-Identifier: Apache-2.0 */
/* The SMS side of the trial provider; the rest is capture.c. */
#ifndef OCTROI_ADAPTERS_CAPTURE_SMS_H
#define OCTROI_ADAPTERS_CAPTURE_SMS_H

#include "adapters/internal.h"

/* As struct adapter_ops says. */
void capture_sms_send(struct provider_port *port, struct sms_job *job);

#endif
