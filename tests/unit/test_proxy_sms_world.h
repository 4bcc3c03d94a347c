/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an inbox stands on, made for one test: a configuration, its snapshot, two loops with their
 * lanes, a journal and a registry in a folder of their own. Loops turn when the test says so.
 */
#ifndef OCTROI_TESTS_PROXY_SMS_WORLD_H
#define OCTROI_TESTS_PROXY_SMS_WORLD_H

#include "proxy/sms/binds.h"
#include "proxy/sms/inbound.h"
#include "store/registry.h"
#include "tests/unit/test_config_help.h"
#include "tests/unit/test_proxy_sms.h"

/* A partner's web server, on the second loop. */
struct sms_web {
    struct evhttp *http;
    uint16_t port;
    int status; /* what it answers; 0: nothing, while the test lasts */
    unsigned got;
    char body[1000], type[100]; /* of the last request */
};
void sms_web_begin(struct sms_web *web, struct loop *loop);
void sms_web_end(struct sms_web *web);

/* acme alone sends as ACME and +33755001234, through agg; beta and gamma share 38600 there; delta
 * has it at `other`, where beta is as well. web, alone with WEB through agg, has no
 * bind but a report_url. */
struct sms_world {
    struct sandbox sandbox;
    struct config *config; /* the snapshot's */
    struct snapshot *snapshot;
    struct loop *loops[2];
    struct lane lanes[2];
    struct gate gate;
    struct signing_key *key;
    struct journal *journal;
    struct binds *binds;
    struct sent *sent;
    struct inbox *inbox;
    struct seal *seal;
    struct sms_web web;
    bool unasked; /* what is sent now, nobody wants reports of */
    char registry[300], index[300], directory[300];
};
extern struct sms_world sms_world;

void sms_world_begin(void);
void sms_world_end(void);
/* A new inbox and a new, empty memory of what was sent, as after a restart. */
void sms_world_restart(void);
struct provider *sms_world_provider(const char *name);
void sms_world_turn(void);
/* Turns until *done, at most twenty seconds. */
void sms_world_turn_until(const unsigned *done, unsigned count);

/* A message on record that this partner sent to number days ago; queue_id NULL: no outcome. */
struct sms_sent {
    const char *partner, *account, *provider, *number, *queue_id;
    int days;
};
/* Its id; valid until the next but three. */
const char *sms_world_send(const struct sms_sent *sent);

void sms_world_key(const char *number, uint8_t key_out[RECIPIENT_KEY_BYTES]);
/* "withdrawn sms [acme|beta] ORIGIN: EVIDENCE" a line, oldest first; for number. */
const char *sms_world_events(const char *number);
/* "withdrawn sms [acme|beta] ADDRESS" a line, oldest first: notices of all people. */
const char *sms_world_notices(void);
/* Runs SQL on the registry over a connection of its own. */
void sms_world_sql(const char *sql);

#endif
