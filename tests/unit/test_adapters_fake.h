/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted SMTP server in threads, one a connection, and the certificates it shows. A script is a
 * list of steps that ends with NULL; then the connection is closed:
 *   "<TEXT"  a line is read that begins with TEXT       ">TEXT"  TEXT and CRLF are sent
 *   "=TEXT"  TEXT is sent as it is                      "."      content is read up to its dot
 *   "T"      a TLS handshake                            "W"      silence until the peer leaves
 *   "P"      a pause of 60 ms
 *   "*"      go to the step after the last "@"          "@"      a mark
 *   "~"      everything is read until the peer leaves, which must happen before a dot
 *   "N"      what follows must not be there: no byte within 60 ms
 */
#ifndef OCTROI_TESTS_ADAPTERS_FAKE_H
#define OCTROI_TESTS_ADAPTERS_FAKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake;

/* scripts: one a connection, in the order they come; the last serves all later ones. The
 * certificate files may be NULL. */
struct fake *fake_new(const char *const *const *scripts, const char *certificate, const char *key);
/* Waits until all connections have ended. */
void fake_stop(struct fake *fake);
void fake_free(struct fake *fake);
uint16_t fake_port(const struct fake *fake);
unsigned fake_connections(const struct fake *fake);
unsigned fake_most_at_once(const struct fake *fake);
uint64_t fake_content_bytes(const struct fake *fake);
/* The content of the last "." as it came, without the dot; at most FAKE_CONTENT_KEPT bytes. */
#define FAKE_CONTENT_KEPT (128 * 1024)
const char *fake_content(const struct fake *fake, size_t *length_out);
/* From now on no other TLS version, such as TLS1_3_VERSION; and with session tickets. */
void fake_tls_only(struct fake *fake, int version);
void fake_tls_tickets(struct fake *fake);
/* Of the last handshake: "TLSv1.2", and the name that SNI asked for, "" without one. */
const char *fake_tls_version(const struct fake *fake);
const char *fake_tls_name(const struct fake *fake);
/* "" or the first step that did not go as scripted. */
const char *fake_problem(const struct fake *fake);

/* A self-signed certificate for name, and its key. */
void fake_certificate(const char *name, const char *certificate_path, const char *key_path);

#endif
