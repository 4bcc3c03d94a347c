/* SPDX-License-Identifier: Apache-2.0 */
/* The SMS side of the trial provider; the rest is capture.c. */
#ifndef OCTROI_ADAPTERS_CAPTURE_SMS_H
#define OCTROI_ADAPTERS_CAPTURE_SMS_H

#include "adapters/internal.h"

/* As struct adapter_ops says. */
enum result capture_sms_start(struct provider *provider, struct error *err);
void capture_sms_stop(struct provider *provider);
void capture_sms_send(struct provider_port *port, struct sms_job *job);
/* Waits for the files that are being written; those that are not begun are not written any more. */
void capture_sms_abandon(struct provider_port *port);

#endif
