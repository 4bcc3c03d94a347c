/* SPDX-License-Identifier: Apache-2.0 */
/* The SMPP client on loops that really run beside each other, under an SMSC that answers in any
 * order, refuses, throttles and hangs up: every message is answered once, on its own loop, and what
 * was taken is never called untaken. Meant for ThreadSanitizer, too. */
#include "tests/unit/test_adapters_smsc.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOPS = 2, MESSAGES = 1500, AT_ONCE = 45 };

struct sender;

struct told {
    struct sender *sender;
    unsigned number;
    unsigned answers;
    enum outcome outcome;
};

/* One a loop; only that loop touches it, but for done. */
struct sender {
    struct loop_task task;
    struct loop *loop;
    pthread_t thread;
    unsigned index;
    unsigned sent, open;
    atomic_uint done;
    struct told told[MESSAGES];
};

static struct smpp_stage stage;
static struct sender senders[LOOPS];
static unsigned taken[LOOPS][MESSAGES]; /* by the SMSC: said yes, or saw it */

static void send_more(struct sender *sender);

static void on_told(void *owner, struct ticket ticket, const struct sms_answer *answer)
{
    struct told *told = owner;
    struct sender *sender = told->sender;
    (void)ticket;
    ck_assert(pthread_equal(pthread_self(), sender->thread));
    told->answers++;
    told->outcome = answer->outcome;
    sender->open--;
    atomic_fetch_add(&sender->done, 1);
    send_more(sender);
}

static void send_more(struct sender *sender)
{
    while (sender->sent < MESSAGES && sender->open < AT_ONCE) {
        struct told *told = &sender->told[sender->sent];
        char text[40];
        told->sender = sender;
        told->number = sender->sent++;
        sender->open++;
        snprintf(text, sizeof(text), "%u %u", sender->index, told->number);
        const struct sms_message message = {
            .reference = "", .sender = "ACME", .to = "+33612345678", .text = text};
        sms_send(stage.provider, sender->loop, &message, on_told, told,
                 (struct ticket){.generation = 1});
    }
}

static void run_send(struct loop_task *task)
{
    send_more(CONTAINER_OF(task, struct sender, task));
}

static void *run_loop(void *arg)
{
    loop_run(((struct sender *)arg)->loop);
    return NULL;
}

/* Answers one request of the link, any of them; sometimes it hangs up in place of it. */
static void play(struct smsc_link *link)
{
    struct smpp_message message;
    unsigned index = 0, number = 0;
    char text[40];
    if (link->fd < 0 || link->n_pdus == 0)
        return;
    size_t which = (size_t)rand() % link->n_pdus;
    struct pdu *pdu = link->pdus[which];
    link->pdus[which] = link->pdus[--link->n_pdus];
    ck_assert_uint_eq(smpp_message_read(SMPP_SUBMIT_SM, pdu->body, pdu->length, &message),
                      SMPP_ROK);
    snprintf(text, sizeof(text), "%.*s", (int)message.text.length, (const char *)message.text.data);
    ck_assert_int_eq(sscanf(text, "%u %u", &index, &number), 2);
    int luck = rand() % 500;
    if (luck == 0) {
        taken[index][number]++;
        smsc_hang_up(link);
    } else if (luck < 20) {
        smsc_answer(link, pdu, luck == 1 ? SMPP_RTHROTTLED : SMPP_RINVDSTADR, "");
    } else {
        taken[index][number]++;
        smsc_answer(link, pdu, SMPP_ROK, "1");
    }
    free(pdu);
}

static void check_told(unsigned *n_accepted_out)
{
    for (unsigned i = 0; i < LOOPS; i++)
        for (unsigned k = 0; k < MESSAGES; k++) {
            const struct told *told = &senders[i].told[k];
            ck_assert_uint_eq(told->answers, 1);
            ck_assert_uint_le(taken[i][k], 1); /* never twice */
            if (told->outcome == OUTCOME_ACCEPTED)
                ck_assert_uint_eq(taken[i][k], 1);
            if (told->outcome == OUTCOME_NONE || told->outcome == OUTCOME_REFUSED)
                ck_assert_uint_eq(taken[i][k], 0);
            *n_accepted_out += told->outcome == OUTCOME_ACCEPTED ? 1 : 0;
        }
}

START_TEST(two_threads)
{
    unsigned done = 0, accepted = 0;
    srand(7);
    smpp_stage_begin(&stage);
    stage.n_loops = LOOPS;
    stage.provider_config.connections = 3;
    stage.provider_config.window = 8;
    smpp_stage_serve(&stage);
    (void)smsc_bound(&stage, 3);
    stage.n_loops = 0; /* they turn by themselves now */
    for (unsigned i = 0; i < LOOPS; i++) {
        senders[i].index = i;
        senders[i].loop = stage.loops[i];
        senders[i].task.run = run_send;
        ck_assert_int_eq(pthread_create(&senders[i].thread, NULL, run_loop, &senders[i]), 0);
        loop_post(senders[i].loop, &senders[i].task);
    }
    for (int64_t guard = clock_monotonic() + 4 * GUARD; done < LOOPS * MESSAGES;) {
        smpp_stage_turn(&stage);
        for (unsigned i = 0; i < stage.smsc.n_links; i++)
            for (unsigned k = 0; k < 8; k++)
                play(&stage.smsc.links[i]);
        done = 0;
        for (unsigned i = 0; i < LOOPS; i++)
            done += atomic_load(&senders[i].done);
        ck_assert_int_lt(clock_monotonic(), guard);
    }
    provider_unref(&stage.provider); /* while they run */
    for (unsigned i = 0; i < LOOPS; i++) {
        loop_stop(senders[i].loop);
        ck_assert_int_eq(pthread_join(senders[i].thread, NULL), 0);
    }
    check_told(&accepted);
    ck_assert_uint_gt(accepted, LOOPS * MESSAGES / 2);
    stage.n_loops = LOOPS;
    smpp_stage_end(&stage);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {two_threads, NULL};
    Suite *suites[] = {unit_suite("smpp threads", tests), NULL};
    return unit_run(suites);
}
