/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sms/segments.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/str.h"
#include "store/journal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* 16,384 messages at a time in 4 MiB: at 500 long messages a second half a minute of them, and
 * parts come within one. */
#define SETS 4096
#define WAYS 4

struct entry {
    uint8_t key[16];
    int64_t until; /* 0: free */
    uint8_t seen[SMS_PARTS_MAX / 8 + 1];
    enum verdict verdict;
    enum reason reason;
    int64_t event;
    char tail[SEGMENTS_TAIL];
    unsigned total;
    char watched[SENT_NAME_MAX]; /* "": nobody's */
};

/* Messages of one partner whose last part never came, since that was logged. */
struct unfinished {
    char partner[SENT_NAME_MAX];
    unsigned count;
    int64_t silent_until;
};
#define PARTNERS_TOLD 8                   /* at a time; of more, each may be a line */
#define TOLD_EVERY    (60 * CLOCK_SECOND) /* of one partner */

struct segments {
    pthread_mutex_t lock;
    struct entry sets[SETS][WAYS];               /* under lock */
    struct unfinished unfinished[PARTNERS_TOLD]; /* under lock */
    size_t oldest_unfinished;
};

struct segments *segments_new(void)
{
    struct segments *segments = calloc(1, sizeof(*segments));
    if (segments != NULL)
        pthread_mutex_init(&segments->lock, NULL);
    return segments;
}

void segments_free(struct segments **segments)
{
    if (*segments == NULL)
        return;
    pthread_mutex_destroy(&(*segments)->lock);
    free(*segments);
    *segments = NULL;
}

/* False when it cannot be computed: then the part is judged alone. */
static bool digest(const struct segment_key *key, uint8_t out[SHA256_BYTES])
{
    uint8_t text[512];
    size_t length = RECIPIENT_KEY_BYTES;
    size_t account = strlen(key->account) + 1;
    size_t sender = strlen(key->sender) + 1;
    if (length + account + sender + 8 > sizeof(text))
        return false;
    memcpy(text, key->recipient_key, RECIPIENT_KEY_BYTES);
    memcpy(text + length, key->account, account);
    length += account;
    memcpy(text + length, key->sender, sender);
    length += sender;
    const unsigned numbers[2] = {key->part.reference, key->part.total};
    memcpy(text + length, numbers, sizeof(numbers));
    length += sizeof(numbers);
    return sha256(text, length, out);
}

static bool has_seen(const struct entry *entry, unsigned number)
{
    return (entry->seen[number / 8] >> (number % 8) & 1) != 0;
}

/* The entry is about to be another message's. Counts what it was, and says what is to be logged of
 * it: count 0 when nothing is. */
static void note_end(struct segments *segments, const struct entry *entry, int64_t now,
                     struct unfinished *told_out)
{
    struct unfinished *of = NULL;
    if (entry->until == 0 || entry->watched[0] == '\0' || entry->verdict != VERDICT_PASS ||
        has_seen(entry, entry->total))
        return;
    for (size_t i = 0; i < PARTNERS_TOLD && of == NULL; i++)
        if (strcmp(segments->unfinished[i].partner, entry->watched) == 0)
            of = &segments->unfinished[i];
    if (of == NULL) {
        of = &segments->unfinished[segments->oldest_unfinished++ % PARTNERS_TOLD];
        *of = (struct unfinished){0};
        str_copy(of->partner, sizeof(of->partner), entry->watched);
    }
    of->count++;
    if (now < of->silent_until)
        return;
    *told_out = *of;
    of->count = 0;
    of->silent_until = now + TOLD_EVERY;
}

static void tell(const struct unfinished *told)
{
    if (told->count > 0)
        log_event(LOG_LEVEL_WARN, "long messages expired without their last part",
                  LOG_TEXT("partner", told->partner), LOG_NUMBER("count", told->count));
}

static struct entry *find(struct segments *segments, const uint8_t key[SHA256_BYTES], int64_t now,
                          struct unfinished *told_out)
{
    size_t set = ((size_t)key[16] << 8 | key[17]) % SETS;
    struct entry *oldest = &segments->sets[set][0];
    for (size_t i = 0; i < WAYS; i++) {
        struct entry *entry = &segments->sets[set][i];
        if (entry->until > now && memcmp(entry->key, key, sizeof(entry->key)) == 0)
            return entry;
        if (entry->until < oldest->until)
            oldest = entry;
    }
    note_end(segments, oldest, now, told_out);
    *oldest = (struct entry){0};
    memcpy(oldest->key, key, sizeof(oldest->key));
    return oldest;
}

/* The end of text, from a character's beginning on. */
static void keep_tail(struct entry *entry, const char *text)
{
    size_t length = strlen(text);
    const char *from = length >= SEGMENTS_TAIL ? text + length - SEGMENTS_TAIL + 1 : text;
    while (((unsigned char)*from & 0xc0) == 0x80)
        from++;
    str_copy(entry->tail, sizeof(entry->tail), from);
}

/* A part that was seen begins another message with the same reference: 255 of them go round fast.
 */
static bool is_new(const struct entry *entry, unsigned number)
{
    return entry->until == 0 || has_seen(entry, number);
}

static void begin(struct entry *entry, const struct segment_key *key, const struct judgement *fresh,
                  int64_t now)
{
    memset(entry->seen, 0, sizeof(entry->seen));
    entry->verdict = fresh->verdict;
    entry->reason = fresh->reason;
    entry->event = fresh->event;
    entry->tail[0] = '\0';
    entry->until = now + SEGMENTS_LIFE;
    entry->total = key->part.total;
    str_copy(entry->watched, sizeof(entry->watched), key->watched != NULL ? key->watched : "");
}

/* Whether the message's verdict may stand for what the rules say of this part. */
static bool holds_for(const struct entry *entry, const struct segment_key *key)
{
    return entry->verdict != VERDICT_PASS ||
           (key->header && key->part.total <= SEGMENTS_CARRIED_MAX);
}

void segments_join(struct segments *segments, const struct segment_key *key, const char *text,
                   int64_t now, struct judgement *fresh, char *tail_out)
{
    uint8_t name[SHA256_BYTES];
    unsigned number = key->part.number;
    struct unfinished told = {.count = 0};
    tail_out[0] = '\0';
    if (fresh->reason == REASON_UNABLE || number == 0 || number > key->part.total ||
        key->part.total > SMS_PARTS_MAX || !digest(key, name))
        return;
    pthread_mutex_lock(&segments->lock);
    struct entry *entry = find(segments, name, now, &told);
    if (is_new(entry, number)) {
        note_end(segments, entry, now, &told);
        begin(entry, key, fresh, now);
    } else if (fresh->verdict == VERDICT_BLOCK) {
        entry->verdict = fresh->verdict;
        entry->reason = fresh->reason;
        entry->event = fresh->event;
    }
    entry->seen[number / 8] |= (uint8_t)(1u << (number % 8));
    if ((fresh->verdict != entry->verdict || fresh->reason != entry->reason) &&
        holds_for(entry, key))
        *fresh = (struct judgement){
            .verdict = entry->verdict, .reason = entry->reason, .event = entry->event};
    str_copy(tail_out, SEGMENTS_TAIL, entry->tail);
    keep_tail(entry, text);
    pthread_mutex_unlock(&segments->lock);
    tell(&told);
}
