/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Included before everything else (-include) when the session's fakes are compiled for torture:
 * what the fakes themselves compute, to watch the promises or to keep what they were given, must
 * not fail. The names are changed so that it goes through quiet.c, which suspends the failures.
 */
#ifndef OCTROI_TESTS_TORTURE_QUIET_H
#define OCTROI_TESTS_TORTURE_QUIET_H

#define recipient_make      quiet_recipient_make
#define address_parse_email quiet_address_parse_email
#define strbuf_add          quiet_strbuf_add
#define evbuffer_pullup     quiet_evbuffer_pullup

#endif
