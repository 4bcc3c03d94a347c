/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of test_proxy_smpp, one file each, and what they say to the gate and expect of it. */
#ifndef OCTROI_TESTS_PROXY_SMPP_PARTS_H
#define OCTROI_TESTS_PROXY_SMPP_PARTS_H

#include "tests/unit/test_proxy_smpp_stage.h"
#include "tests/unit/unit.h"

Suite *bind_suite(void);
Suite *deliver_suite(void);
Suite *end_suite(void);
Suite *matrix_suite(void);
Suite *submit_suite(void);
Suite *terms_suite(void);

/* ---- what is said; sequence numbers are the caller's ---- */

void say_bind(struct client *client, uint32_t command, uint32_t sequence, const char *name,
              const char *password);
void say_header(struct client *client, uint32_t command, uint32_t status, uint32_t sequence);
void say_submit(struct client *client, uint32_t sequence, const char *to);
void say_message(struct client *client, uint32_t command, uint32_t sequence,
                 const struct smpp_message *message);
void say_multi(struct client *client, uint32_t sequence, const char *const *to, size_t n);
/* Connects from the network of an account without a password, and binds. */
void bound(struct client *client, uint32_t command);
/* A message that is as it should be. */
struct smpp_message plain_message(const char *to);

/* The connection breaks: an answer it has not read is lost. */
void cut(struct client *client);

/* ---- what is expected ---- */

/* The next PDU is this; returns its body. */
const uint8_t *expect(struct client *client, uint32_t command, uint32_t status, uint32_t sequence);
/* A response with an id. */
void expect_id(struct client *client, uint32_t command, uint32_t sequence, const char *id);
void expect_silence(struct client *client);
/* The gate closes, having said no more. */
void expect_end(struct client *client);
/* Nothing of any session is left, nor counted. */
void expect_nobody(void);

#endif
