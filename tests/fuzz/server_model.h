/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a conversation with the gate must have been, judged from outside by somebody who knows only
 * SMTP: the bytes that went in, the bytes that came out, and what the providers were told. It
 * shares no code with the session.
 */
#ifndef OCTROI_TESTS_FUZZ_SERVER_MODEL_H
#define OCTROI_TESTS_FUZZ_SERVER_MODEL_H

#include "base/str.h"

#include <stdbool.h>

struct conversation {
    struct strbuf in;  /* what the client sent and the gate's socket took */
    struct strbuf out; /* what the gate said */
    bool ended;        /* the gate closed */
    bool implicit_tls; /* out is no text */
    bool discards;     /* the partner's mode: 250 may mean nobody got it */
};

/* Each command has one reply, in order, or the connection ended; each reply is well formed; 250 to
 * a final dot stands for a message that a provider took, byte for byte. */
void model_judge(const struct conversation *conversation);

#endif
