/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that tells partners, as it is stopped: with a client of HTTP in the place of the real
 * one (adapters/webhook.c is not linked) that says when it is gone and takes its time to be woken.
 */
#include "adapters/webhook.h"
#include "proxy/notices/notices.h"
#include "tests/unit/test_config_help.h"
#include "tests/unit/test_registry.h"

#include <stdatomic.h>

#define NAP       1000 /* microseconds */
#define NAPS_MOST 200

static atomic_bool gone, woken_when_gone;
static atomic_uint waits;

enum result webhooks_new(struct webhooks **webhooks_out, struct error *err)
{
    *webhooks_out = malloc(1);
    return *webhooks_out != NULL ? RESULT_OK : error_no_memory(err);
}

void webhooks_free(struct webhooks **webhooks)
{
    if (*webhooks == NULL)
        return;
    free(*webhooks);
    *webhooks = NULL;
    gone = true;
}

bool webhooks_post(struct webhooks *webhooks, const struct webhook_call *call,
                   webhook_answer_fn *answer, void *owner)
{
    (void)webhooks;
    (void)call;
    (void)answer;
    (void)owner;
    return false;
}

void webhooks_wait(struct webhooks *webhooks, int milliseconds)
{
    (void)webhooks;
    (void)milliseconds;
    waits++;
    clock_sleep(NAP);
}

/* Who calls is held up, as by the scheduler: long enough for the thread to end if it can. */
void webhooks_wake(struct webhooks *webhooks)
{
    (void)webhooks;
    for (int i = 0; i < NAPS_MOST && !gone; i++)
        clock_sleep(NAP);
    woken_when_gone = gone;
}

START_TEST(nothing_is_woken_that_is_gone)
{
    struct bench bench;
    struct sandbox sandbox;
    struct notices *notices = NULL;
    bench_open(&bench);
    sandbox_make(&sandbox);
    struct config *config =
        sandbox_config(&sandbox, "hostname = \"gate.example\" state_dir = \"state\"\n"
                                 "partners: { acme: { name = \"ACME\" } }\n");
    const struct notices_options options = {.registry_path = bench.path,
                                            .index_path = "/nowhere/index.db",
                                            .journal_path = "/nowhere",
                                            .config = config,
                                            .loop_index = 0};
    ck_assert_msg(notices_start(&options, &notices, &bench.err) == RESULT_OK, "%s", bench.err.text);
    while (waits == 0)
        clock_sleep(NAP);
    notices_stop(&notices);
    ck_assert_ptr_null(notices);
    ck_assert(gone);
    ck_assert(!woken_when_gone);
    config_unref(&config);
    sandbox_remove(&sandbox);
    bench_close(&bench);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {nothing_is_woken_that_is_gone, NULL};
    Suite *const suites[] = {unit_suite("notices stop", tests), NULL};
    return unit_run(suites);
}
