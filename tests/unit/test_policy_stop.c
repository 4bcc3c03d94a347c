/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STOP: what people write back and what partners send, each with a neighbour that is not it; the
 * rule on the text of an SMS; and when a closed channel opens, held against asking every minute.
 */
#include "policy/calendar.h"
#include "policy/judge.h"
#include "policy/stop.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

START_TEST(people_ask)
{
    static const char *const asked[] = {
        "STOP",
        "stop",
        "Stop.",
        "  STOP  ",
        "STOP SVP",
        "« stop »",
        "\"Stop!\"",
        "...stop...",
        "ARRET",
        "Arrêt",
        "ARRÊT",
        "ARRE\xcc\x82T",
        "arret de vos messages",
        "UNSUBSCRIBE",
        "End",
        "quit",
        "Cancel",
        "STOPALL",
        "stopall please",
        "stop-it",
        "STOP 36111",
        "STOP36111",
        "stop8810 merci",
        "STOP9999",
        "STOP0000",
        "Arrêt36111",
        "STOP\n\nJean",
        "\xef\xbb\xbfSTOP",
        "🛑 STOP",
        "ＳＴＯＰ",
        "𝗦𝗧𝗢𝗣",
        "S\xe2\x80\x8bTOP",
        "\xff stop",
        "stop\xff",
        "(STOP)",
        "stop,merci",
        "STOP👋",
    };
    static const char *const not_asked[] = {
        "",
        "   ",
        "!!",
        "stopper",
        "nonstop",
        "non-stop",
        "non stop",
        "Stop2",
        "STOP361I1",
        "STOP361",
        "STOP881x",
        "STOPSMS",
        "STOPSMS36111",
        "36111",
        "36111STOP",
        "unstop",
        "please stop",
        "Arretez",
        "ending",
        "the end",
        "oui",
        "1 STOP",
        "st op",
        "s.t.o.p",
        "STO",
        "SТOP" /* a Cyrillic letter */,
        "stopstopstopstopstopstopstopstop",
        "\xff",
        "OK stop",
        "\u0473top", /* a letter whose number ends as that of s does */
    };
    for (size_t i = 0; i < COUNT(asked); i++)
        ck_assert_msg(stop_asked(asked[i]), "not asked: %s", asked[i]);
    for (size_t i = 0; i < COUNT(not_asked); i++)
        ck_assert_msg(!stop_asked(not_asked[i]), "asked: %s", not_asked[i]);
}
END_TEST

START_TEST(partners_mention)
{
    static const char *const mentioned[] = {
        "Soldes -50% chez ACME jusqu'au 12/01 ! STOP au 36111",
        "ACME: -20% ce week-end. STOP 36180",
        "ACME stop sms: 36034",
        "ACME STOP SMS au 36111",
        "ACME\nSTOP=36111",
        "ACME StopSMS au 36007",
        "ACME STOP36111",
        "ACME STOPSMS36111",
        "ACME STOPPUB 36105",
        "ACME (STOP au 36111)",
        "ACME Stop-sms 36111",
        "ACME Arrivage ! Stop au 36200 www.acme.example/1",
        "STOP by SMS to +33700000000",
        "Répondez STOP",
        "Repondez STOP pour ne plus recevoir nos offres",
        "Re\xcc\x81pondez STOP svp",
        "Rép STOP pr arreter",
        "Reply STOP to end",
        "Reply with \"STOP\" if you like",
        "Envoyez le mot STOP a ce numero",
        "Envoyer STOP au 8810",
        "Text STOP to opt out",
        "Txt STOP 2 end",
        "-20% today. STOP to end",
        "STOP to opt-out",
        "Pour ne plus recevoir nos offres : STOP",
        "Pour ne plus recevoir nos offres : STOP.",
        "Desabo STOP merci",
        "REPONDEZ STOP pour ne plus recevoir",
        "STOP un deux trois quatre 36111",
        "Envoyez un deux STOP trois",
        "STOP au 123456789012345",
        "A STOP au 36111 svp",
        "Vous hesitez ? Non ! STOP au 36111",
        "ACME STOP36111 chez vous a Paris et ailleurs",
        "-STOP au 36111 svp",
        "Soldes -STOP au 36111 svp",
        "Non stop ce week-end chez ACME. STOP au 36111",
        "STOP aux prix hauts ! Venez. STOP au 36111",
        "𝗦𝗧𝗢𝗣 au 36111",
    };
    static const char *const not_mentioned[] = {
        "",
        "Soldes -50% chez ACME jusqu'au 12/01 !",
        "ACME au 36111",
        "STOP aux prix hauts ! -50% chez ACME",
        "STOP ! Soldes a Paris 75001",
        "STOP aux prix hauts : tout a 1500 euros",
        "STOP aux soldes de 2025 chez nous",
        "Ouvert nonstop au 36111",
        "Ouvert non-stop au 36111",
        "Ouvert non stop",
        "Ouvert non stop, appelez le 36111",
        "Stopper la faim : appelez le 36111",
        "STOPS 36111",
        "STOP au 3611",
        "STOP1234",
        "STOP le froid arrive dans votre ville, appelez vite le 36111",
        "Repondez vite ! STOP aux prix hauts",
        "Repondez vite et dites enfin STOP aux prix hauts",
        "STOP un deux trois quatre cinq 36111",
        "Envoyez un deux trois STOP quatre",
        "STOP au 1234567890123456 svp",
        "STOPSMS1234567890123456 svp aujourd'hui chez vous",
        "STOP ? Venez au 36111 vite",
        "STOP au 36111euros chez nous a Paris",
        "STOP end of sale aujourd'hui chez nous",
        "Open no stop",
        "Open no stop, call 36111",
        "STOP to wait",
        "STOP vite end of sale",
        "bus-stop",
        "l'stop",
        "l\u2019stop",
        "bus\u2010stop",
        "bus\u2011stop",
        "ARRET au 36111",
    };
    for (size_t i = 0; i < COUNT(mentioned); i++)
        ck_assert_msg(stop_mentioned(mentioned[i]), "not mentioned: %s", mentioned[i]);
    for (size_t i = 0; i < COUNT(not_mentioned); i++)
        ck_assert_msg(!stop_mentioned(not_mentioned[i]), "mentioned: %s", not_mentioned[i]);
}
END_TEST

/* Every word that asks for an answer, and every one that says what STOP does. */
START_TEST(each_word_counts)
{
    static const char *const answering[] = {
        "répondez", "répondre", "réponse",  "rép",     "reply",   "respond",  "envoyez",
        "envoyer",  "envoi",    "renvoyez", "send",    "sending", "text",     "txt",
        "texting",  "tapez",    "taper",    "écrivez", "désabo",  "replying",
    };
    static const char *const effects[] = {"end", "opt", "unsubscribe", "quit", "cancel", "stop"};
    static const char behind[] = "aujourd'hui chez nous a Paris pour vous";
    char text[160];
    for (size_t i = 0; i < COUNT(answering); i++) {
        snprintf(text, sizeof(text), "%s STOP %s", answering[i], behind);
        ck_assert_msg(stop_mentioned(text), "%s", text);
        snprintf(text, sizeof(text), "%sx STOP %s", answering[i], behind);
        ck_assert_msg(!stop_mentioned(text), "%s", text);
    }
    for (size_t i = 0; i < COUNT(effects); i++) {
        snprintf(text, sizeof(text), "STOP to %s %s", effects[i], behind);
        ck_assert_msg(stop_mentioned(text), "%s", text);
        snprintf(text, sizeof(text), "STOP now to %s %s", effects[i], behind);
        ck_assert_msg(!stop_mentioned(text), "%s", text);
    }
    snprintf(text, sizeof(text), "STOP to begin %s", behind);
    ck_assert(!stop_mentioned(text));
}
END_TEST

/* In memory of its own size, cut anywhere, within a character too. */
START_TEST(any_prefix)
{
    static const char text[] =
        "« Re\xcc\x81pondez » STOP-sms au 36111, ＳＴＯＰ 𝗦𝗧𝗢𝗣 🛑 "
        "non-stop\xe2\x80\x8b";
    for (size_t length = 0; length <= strlen(text); length++)
        for (size_t from = 0; from <= length; from++) {
            char *copy = malloc(length - from + 1);
            ck_assert_ptr_nonnull(copy);
            memcpy(copy, text + from, length - from);
            copy[length - from] = '\0';
            stop_asked(copy);
            stop_mentioned(copy);
            free(copy);
        }
}
END_TEST

START_TEST(texts_are_judged)
{
    static const struct {
        enum stream_class class;
        bool wanted;
        const char *text;
        bool holds;
    } rows[] = {
        {CLASS_PROSPECTING, true, "Soldes ! STOP au 36111", true},
        {CLASS_PROSPECTING, true, "Soldes !", false},
        {CLASS_PROSPECTING, true, "", false},
        {CLASS_PROSPECTING, true, NULL, false},
        {CLASS_PROSPECTING, false, "Soldes !", true},
        {CLASS_PROSPECTING, false, NULL, true},
        {CLASS_SERVICE, true, "Votre colis arrive.", true},
        {CLASS_SERVICE, true, NULL, true},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct stream stream = {.channel = CHANNEL_SMS, .class = rows[i].class};
        struct channel_policy policy;
        channel_policy_default(CHANNEL_SMS, &policy);
        policy.stop_mention = rows[i].wanted;
        struct judgement judgement = {
            .verdict = VERDICT_PASS, .reason = REASON_CONSENT, .event = 7, .form_version = 3};
        bool holds = policy_judge_sms(&stream, &policy, rows[i].text, &judgement);
        ck_assert_msg(holds == rows[i].holds, "row %zu", i);
        ck_assert_int_eq(judgement.verdict, holds ? VERDICT_PASS : VERDICT_BLOCK);
        ck_assert_int_eq(judgement.reason, holds ? REASON_CONSENT : REASON_STOP_MISSING);
        ck_assert_int_eq(judgement.event, 7);
        ck_assert_int_eq(judgement.form_version, 3);
    }
}
END_TEST

/* ---- when a channel opens ---- */

static int64_t at(const char *text)
{
    int64_t instant = 0;
    ck_assert_msg(clock_parse(text, strlen(text), &instant), "%s", text);
    return instant;
}

START_TEST(openings)
{
    struct opening day = {8 * 60, 20 * 60};
    static const struct {
        const char *now;
        const char *opens; /* NULL: never */
        unsigned days;
    } rows[] = {
        {"2026-06-01T12:00:00+02:00", "2026-06-01T12:00:00+02:00", 0x3f}, /* a Monday, open */
        {"2026-06-01T12:00:30.5+02:00", "2026-06-01T12:00:30.5+02:00", 0x3f},
        {"2026-06-01T19:59:59+02:00", "2026-06-01T19:59:59+02:00", 0x3f},
        {"2026-06-01T20:00:00+02:00", "2026-06-02T08:00:00+02:00", 0x3f},
        {"2026-06-01T07:59:59.9+02:00", "2026-06-01T08:00:00+02:00", 0x3f},
        {"2026-06-06T20:00:00+02:00", "2026-06-08T08:00:00+02:00", 0x3f}, /* over Sunday */
        {"2026-05-23T20:00:00+02:00", "2026-05-26T08:00:00+02:00", 0x3f}, /* and Whit Monday */
        {"2026-03-28T22:00:00+01:00", "2026-03-30T08:00:00+02:00", 0x3f}, /* clocks go forward */
        {"2026-10-24T22:00:00+02:00", "2026-10-26T08:00:00+01:00", 0x3f}, /* and back */
        {"2026-06-02T00:00:00+02:00", "2026-06-08T08:00:00+02:00", 0x01},
        {"2026-06-02T00:00:00+02:00", NULL, 0},
        /* Christmas and New Year fall on the only day of the week: fifteen days, and a second. */
        {"2026-12-24T08:00:00+01:00", "2027-01-08T08:00:00+01:00", 0x10},
        {"2026-12-24T07:59:59+01:00", NULL, 0x10},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct channel_policy policy = {.hours = &day,
                                        .n_hours = 1,
                                        .days = rows[i].days,
                                        .holidays = "FR",
                                        .timezone = "Europe/Paris"};
        int64_t opens = policy_opens_at(&policy, at(rows[i].now));
        ck_assert_msg(opens == (rows[i].opens == NULL ? 0 : at(rows[i].opens)), "row %zu: %lld", i,
                      (long long)opens);
    }
    /* A day without hours opens at its midnight. A zone nobody knows never does. */
    struct channel_policy policy = {.days = 0x01, .holidays = "", .timezone = "Europe/Paris"};
    ck_assert_int_eq(policy_opens_at(&policy, at("2026-06-02T12:00:00+02:00")),
                     at("2026-06-08T00:00:00+02:00"));
    policy.timezone = "Mars/Olympus";
    ck_assert_int_eq(policy_opens_at(&policy, at("2026-06-02T12:00:00+02:00")), 0);
}
END_TEST

static uint32_t seed = 20260601;

static int any(int n)
{
    seed = seed * 1664525u + 1013904223u;
    return (int)((seed >> 8) % (unsigned)n);
}

START_TEST(openings_as_minute_by_minute)
{
    static const char *const from[] = {"2026-03-27T00:00:00Z", "2026-10-23T00:00:00Z",
                                       "2026-05-01T00:00:00Z", "2025-12-30T00:00:00Z"};
    unsigned found = 0;
    for (int run = 0; run < 400; run++) {
        struct opening hours[3];
        struct channel_policy policy = {.hours = any(8) == 0 ? NULL : hours,
                                        .n_hours = (size_t)(1 + any(3)),
                                        .days = (unsigned)any(0x80) & (unsigned)any(0x80),
                                        .holidays = any(2) ? "FR" : "",
                                        .timezone = any(4) ? "Europe/Paris" : "UTC"};
        if (policy.hours == NULL)
            policy.n_hours = 0;
        for (int i = 0; i < 3; i++) {
            /* Many within the hours in which clocks change. */
            hours[i].from = any(2) ? any(5 * 60) : any(24 * 60);
            hours[i].to = hours[i].from + 1 + any(40);
            if (hours[i].to > 24 * 60)
                hours[i].to = 24 * 60;
        }
        int64_t now = at(from[any(4)]) + (int64_t)any(4 * 86400) * CLOCK_SECOND + any(1000000);
        int64_t wanted = policy_is_open(&policy, now) ? now : 0;
        int64_t minute = now - now % (60 * CLOCK_SECOND);
        for (int i = 1; wanted == 0 && i <= 15 * 24 * 60; i++)
            if (policy_is_open(&policy, minute + (int64_t)i * 60 * CLOCK_SECOND))
                wanted = minute + (int64_t)i * 60 * CLOCK_SECOND;
        int64_t opens = policy_opens_at(&policy, now);
        ck_assert_msg(opens == wanted, "run %d: %lld instead of %lld", run, (long long)opens,
                      (long long)wanted);
        found += wanted != 0 && wanted != now;
    }
    ck_assert_uint_gt(found, 200);
}
END_TEST

int main(void)
{
    const TTest *const stop[] = {people_ask, partners_mention, each_word_counts,
                                 any_prefix, texts_are_judged, NULL};
    const TTest *const opening[] = {openings, openings_as_minute_by_minute, NULL};
    Suite *const suites[] = {unit_suite("stop", stop), unit_suite("opening", opening), NULL};
    return unit_run(suites);
}
