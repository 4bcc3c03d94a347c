/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of one long message share one verdict. A partner that speaks SMPP cuts a long text into
 * parts that come one by one, perhaps over several binds: what was said of the first holds for the
 * others, so that no half of a message is left at a person's door because the hour struck in
 * between. It only ever makes the answer stricter or lets a begun message end, if it is not longer
 * than texts are: a person's no, or a suspension, counts from the next part on.
 *
 * Shared by all lanes, of fixed size, forgotten after some minutes. What is forgotten is judged
 * alone.
 */
#ifndef OCTROI_PROXY_SMS_SEGMENTS_H
#define OCTROI_PROXY_SMS_SEGMENTS_H

#include "policy/judge.h"
#include "policy/recipient.h"
#include "wire/sms_text.h"

struct segments;

/* How long the parts of one message may take to come. */
#define SEGMENTS_LIFE (5 * 60 * CLOCK_SECOND)
/* Of the text before, so much is looked at together with the last part: a STOP mention may be cut
 * in two. */
#define SEGMENTS_TAIL 64
/* A message of more parts is none that was begun in good time by chance. */
#define SEGMENTS_CARRIED_MAX 10

/* Which message a part is of. */
struct segment_key {
    const char *account;
    const char *sender;
    const uint8_t *recipient_key; /* RECIPIENT_KEY_BYTES */
    struct sms_part part;
    /* The part comes with a user data header, which the person's telephone goes by. What SAR TLVs
     * say, an SMSC may ignore: such a part is never let through because another one was. */
    bool header;
    /* The last part is looked at for what the whole has to say. One that never comes is told in the
     * log with this name, for then nothing was looked at; NULL: it does not matter. */
    const char *watched;
};

struct segments *segments_new(void);
void segments_free(struct segments **segments);

/* Any thread. fresh is what the rules say of this part alone; it becomes what holds for it. text:
 * of the part, UTF-8 ("" when it could not be read). tail_out (SEGMENTS_TAIL bytes): the end of the
 * part before, "" when there is none. now: clock_monotonic. */
void segments_join(struct segments *segments, const struct segment_key *key, const char *text,
                   int64_t now, struct judgement *fresh, char *tail_out);

#endif
