/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service manager such as systemd gives and wants: sockets it listens on for us
 * (sd_listen_fds(3)), and word of how we are (sd_notify(3)). Both protocols are a few lines over
 * the environment, described as stable by their manual pages, so no library is needed. Main thread
 * only. Without a service manager nothing here does anything.
 */
#ifndef OCTROI_PROXY_SERVICE_H
#define OCTROI_PROXY_SERVICE_H

#include "proxy/net/inlet.h"

/* Lines such as "READY=1\nSTATUS=…". What cannot be sent is lost. */
void service_notify(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* RELOADING=1, with the time it asks for; READY=1 must follow. */
void service_notify_reloading(void);

/* Adds the sockets that were passed and that a listener of config asks for; closes the others and
 * says so in the log. To be called once: the environment is cleared. */
enum result service_sockets(const struct config *config, struct inlets *inlets, struct error *err);

/* How often WATCHDOG=1 has to be sent: twice as often as asked. Microseconds; 0: not asked. */
int64_t service_watchdog(void);

#endif
