/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold in every conversation, whatever allocation fails: a client that keeps account of
 * which reply answers what, and providers' answers noted as they are given. A breach ends the
 * process (finding).
 */
#ifndef OCTROI_TESTS_TORTURE_ORACLE_H
#define OCTROI_TESTS_TORTURE_ORACLE_H

#include <stdbool.h>
#include <stddef.h>

/* Says what was found and aborts. */
void finding(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* A connection begins: a greeting is owed. */
void oracle_begin(void);
/* Frees and forgets everything. */
void oracle_end(void);
/* The client is about to send these bytes; all of them are sent. */
void oracle_sent(const char *bytes, size_t length);
/* A reply line came, without CRLF. */
void oracle_reply(const char *line);
/* Replies are owed for what was sent. */
bool oracle_owed(void);
/* What is sent next depends on the reply to what was sent last (DATA, AUTH). */
bool oracle_must_wait(void);
/* It was not waited for: from now on replies cannot be told to belong to anything. */
void oracle_blur(void);
bool oracle_may_start_tls(void);
/* TLS is up: nothing said before counts. */
void oracle_tls_started(void);

/* The newest transaction of the providers has not ended: it could fail. */
bool oracle_provider_lives(void);

#endif
