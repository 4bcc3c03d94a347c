/* SPDX-License-Identifier: Apache-2.0 */
/* What partners are told by HTTP: what counts as taken, who waits for whom, how it ends. */
#include "adapters/sms.h"
#include "base/clock.h"
#include "tests/unit/test_proxy_sms_world.h"

#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

/* In libc's stead, for libcurl: a name server that does not answer. */
#define MUTE_NAME "mute.invalid"
static _Atomic unsigned looked_up;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    typedef int real_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    static real_fn *real;
    if (name != NULL && strcmp(name, MUTE_NAME) == 0) {
        looked_up++;
        clock_sleep(30 * CLOCK_SECOND);
        return EAI_AGAIN;
    }
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(name, service, hints, found);
}

static struct callbacks *callbacks;
static struct loop *near_loop, *far_loop;
static struct sms_web web;
static char url[100];

struct asker {
    unsigned told;
    enum sms_taken taken;
};

static void on_taken(void *owner, struct ticket ticket, enum sms_taken taken)
{
    struct asker *asker = owner;
    ck_assert_uint_eq(ticket.generation, 3);
    asker->told++;
    asker->taken = taken;
}

static void begin(void)
{
    struct error err;
    ck_assert_int_eq(loop_new(0, &near_loop, &err), RESULT_OK);
    ck_assert_int_eq(loop_new(1, &far_loop, &err), RESULT_OK);
    sms_web_begin(&web, far_loop);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/reports", web.port);
    ck_assert_int_eq(callbacks_new(&callbacks, &err), RESULT_OK);
}

static void end(void)
{
    callbacks_free(&callbacks);
    ck_assert_ptr_null(callbacks);
    loop_free(&near_loop);
    sms_web_end(&web);
    loop_free(&far_loop);
}

static void post(const char *account, const char *to, const char *body, struct asker *asker)
{
    *asker = (struct asker){0};
    callbacks_post(callbacks, account, to, body, near_loop, on_taken, asker,
                   (struct ticket){.generation = 3});
}

static void turn_until(const unsigned *done, unsigned count)
{
    int64_t until = clock_monotonic() + 10 * CLOCK_SECOND;
    while (*done < count && clock_monotonic() < until) {
        loop_turn(far_loop);
        loop_turn(near_loop);
        clock_sleep(500);
    }
    ck_assert_uint_eq(*done, count);
}

START_TEST(success_alone_is_taken)
{
    static const struct {
        int status;
        enum sms_taken taken;
    } rows[] = {{200, SMS_TAKEN},      {204, SMS_TAKEN},      {302, SMS_TAKE_LATER},
                {404, SMS_TAKE_LATER}, {500, SMS_TAKE_LATER}, {200, SMS_TAKEN}};
    begin();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct asker asker;
        web.status = rows[i].status;
        post("acme-web", url, "{\"n\":1}", &asker);
        turn_until(&asker.told, 1);
        ck_assert_msg(asker.taken == rows[i].taken, "%d", rows[i].status);
        ck_assert_str_eq(web.body, "{\"n\":1}");
        ck_assert_str_eq(web.type, "application/json");
        ck_assert_uint_eq(web.got, i + 1); /* once, and nowhere else */
    }
    end();
}
END_TEST

START_TEST(an_address_that_does_not_answer_rests)
{
    struct asker asker, other;
    char dead[100];
    struct sms_web gone;
    begin();
    sms_web_begin(&gone, far_loop);
    snprintf(dead, sizeof(dead), "http://127.0.0.1:%u/", gone.port);
    sms_web_end(&gone);
    post("beta-web", dead, "{}", &asker);
    turn_until(&asker.told, 1);
    ck_assert_int_eq(asker.taken, SMS_TAKE_LATER);
    post("beta-web", url, "{}", &asker); /* at once: it rests, whatever the address */
    ck_assert_uint_eq(asker.told, 1);
    ck_assert_int_eq(asker.taken, SMS_TAKE_LATER);
    post("acme-web", url, "{}", &other);
    turn_until(&other.told, 1);
    ck_assert_int_eq(other.taken, SMS_TAKEN);
    end();
}
END_TEST

START_TEST(one_that_is_slow_takes_no_room_from_others)
{
    static struct asker slow[101];
    struct asker other;
    struct sms_web quick;
    char elsewhere[100];
    begin();
    web.status = 0;
    for (int i = 0; i < 101; i++)
        post("slow-web", url, "{}", &slow[i]);
    ck_assert_uint_eq(slow[100].told, 1); /* a hundred wait */
    ck_assert_int_eq(slow[100].taken, SMS_TAKE_LATER);
    turn_until(&web.got, 8); /* connections to one host */
    sms_web_begin(&quick, far_loop);
    snprintf(elsewhere, sizeof(elsewhere), "http://127.0.0.1:%u/", quick.port);
    post("acme-web", elsewhere, "{}", &other);
    turn_until(&other.told, 1);
    ck_assert_int_eq(other.taken, SMS_TAKEN);
    ck_assert_uint_eq(web.got, 8);
    /* The end does not wait for the slow one, and tells each. */
    int64_t began = clock_monotonic();
    callbacks_free(&callbacks);
    ck_assert_int_lt(clock_monotonic() - began, 10 * CLOCK_SECOND);
    loop_turn(near_loop);
    for (int i = 0; i < 101; i++) {
        ck_assert_uint_eq(slow[i].told, 1);
        ck_assert_int_eq(slow[i].taken, SMS_TAKE_LATER);
    }
    sms_web_end(&quick);
    end();
}
END_TEST

START_TEST(a_name_nobody_tells_holds_up_no_other)
{
    struct asker mute, other;
    begin();
    post("mute-web", "http://" MUTE_NAME "/", "{}", &mute);
    turn_until(&mute.told, 1); /* in five seconds; the look-up takes thirty */
    ck_assert_int_eq(mute.taken, SMS_TAKE_LATER);
    ck_assert_uint_ge(looked_up, 1);
    post("acme-web", url, "{}", &other);
    turn_until(&other.told, 1);
    ck_assert_int_eq(other.taken, SMS_TAKEN);
    end();
}
END_TEST

Suite *sms_callbacks_suite(void)
{
    const TTest *const tests[] = {success_alone_is_taken, an_address_that_does_not_answer_rests,
                                  one_that_is_slow_takes_no_room_from_others,
                                  a_name_nobody_tells_holds_up_no_other, NULL};
    return unit_suite("sms_callbacks", tests);
}
