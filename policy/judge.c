/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/judge.h"

#include "policy/calendar.h"
#include "policy/rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add_step(struct trace *trace, const char *rule, enum finding finding,
                     enum reason reason, const char *format, va_list args)
{
    if (trace == NULL || trace->count == TRACE_MAX)
        return;
    struct trace_step *step = &trace->steps[trace->count++];
    step->rule = rule;
    step->finding = finding;
    step->reason = reason;
    vsnprintf(step->note, sizeof(step->note), format, args);
}

void rule_skipped(struct trace *trace, const char *rule, enum reason reason, const char *format,
                  ...)
{
    va_list args;
    va_start(args, format);
    add_step(trace, rule, FINDING_SKIPPED, reason, format, args);
    va_end(args);
}

void rule_holds(struct trace *trace, const char *rule, enum reason reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_step(trace, rule, FINDING_HOLDS, reason, format, args);
    va_end(args);
}

void rule_fails(struct trace *trace, const char *rule, enum reason reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_step(trace, rule, FINDING_FAILS, reason, format, args);
    va_end(args);
}

const char *note_date(int64_t instant, char out[NOTE_DATE])
{
    char text[CLOCK_TEXT];
    clock_format(instant, text);
    memcpy(out, text, NOTE_DATE - 1);
    out[NOTE_DATE - 1] = '\0';
    return out;
}

bool among(const char *const *values, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(values[i], text) == 0)
            return true;
    return false;
}

static bool suspended(const struct inquiry *inquiry)
{
    if (inquiry->facts->partner_suspended) {
        rule_fails(inquiry->trace, "1", REASON_SUSPENDED, "The partner is suspended.");
        return true;
    }
    if (inquiry->question->stream != NULL && inquiry->facts->stream_suspended) {
        rule_fails(inquiry->trace, "1", REASON_SUSPENDED, "The stream is suspended.");
        return true;
    }
    rule_holds(inquiry->trace, "1", REASON_SUSPENDED,
               "Neither the partner nor its stream is suspended.");
    return false;
}

/* A bounce (MAIL FROM:<>) names no sender: service messages may be bounces, offers may not. */
static bool sender_is_allowed(const struct stream *stream, enum channel channel, const char *sender)
{
    if (channel == CHANNEL_SMS)
        return stream_allows_sender_id(stream, sender);
    if (sender[0] == '\0')
        return stream->class == CLASS_SERVICE;
    return stream_allows_domain(stream, sender);
}

static bool foreign_sender(const struct inquiry *inquiry)
{
    const struct question *question = inquiry->question;
    bool asked = question->stream != NULL && question->sender != NULL &&
                 question->purpose == PURPOSE_RECEIPT &&
                 (question->channel == CHANNEL_EMAIL || question->channel == CHANNEL_SMS);
    if (!asked) {
        rule_skipped(inquiry->trace, "2", REASON_SENDER_NOT_ALLOWED,
                     "No sender identity is part of this question.");
        return false;
    }
    if (!sender_is_allowed(question->stream, question->channel, question->sender)) {
        rule_fails(inquiry->trace, "2", REASON_SENDER_NOT_ALLOWED,
                   "The sender identity is not one of the stream's.");
        return true;
    }
    rule_holds(inquiry->trace, "2", REASON_SENDER_NOT_ALLOWED,
               "The sender identity is one of the stream's.");
    return false;
}

static bool service_stream(const struct inquiry *inquiry)
{
    const struct stream *stream = inquiry->question->stream;
    if (stream == NULL) {
        rule_skipped(inquiry->trace, "3", REASON_SERVICE, "No stream is part of this question.");
        return false;
    }
    if (stream->class == CLASS_SERVICE) {
        rule_holds(inquiry->trace, "3", REASON_SERVICE,
                   "The stream carries service messages, which need no consent.");
        return true;
    }
    rule_skipped(inquiry->trace, "3", REASON_SERVICE, "The stream carries prospecting.");
    return false;
}

static bool banned_sector(const struct inquiry *inquiry)
{
    const struct question *question = inquiry->question;
    const struct channel_policy *policy = question->policy;
    const char *channel = channel_name(question->channel);
    const char *sector = question->stream != NULL ? question->stream->sector : "";
    if (sector[0] == '\0') {
        rule_skipped(inquiry->trace, "4", REASON_SECTOR_BAN, "No sector is declared.");
        return false;
    }
    if (among(policy->banned_sectors, policy->n_banned_sectors, sector)) {
        rule_fails(inquiry->trace, "4", REASON_SECTOR_BAN, "The sector %.60s is banned on %s.",
                   sector, channel);
        return true;
    }
    rule_holds(inquiry->trace, "4", REASON_SECTOR_BAN, "The sector %.60s is not banned on %s.",
               sector, channel);
    return false;
}

static bool outside_hours(const struct inquiry *inquiry)
{
    const struct question *question = inquiry->question;
    rule_skipped(inquiry->trace, "18", REASON_OPTOUT_MISSING,
                 question->purpose == PURPOSE_TRANSMISSION
                     ? "Nothing is sent yet, so there is no content to judge."
                     : "Judged on the message itself once its content is known.");
    if (question->purpose == PURPOSE_TRANSMISSION || question->stream == NULL ||
        !policy_has_hours(question->policy)) {
        rule_skipped(inquiry->trace, "19", REASON_OUTSIDE_HOURS,
                     "No hours are to be kept for this question.");
        return false;
    }
    if (!policy_is_open(question->policy, question->now)) {
        rule_fails(inquiry->trace, "19", REASON_OUTSIDE_HOURS,
                   "It is outside the hours and days of the channel (%.40s time).",
                   question->policy->timezone);
        return true;
    }
    rule_holds(inquiry->trace, "19", REASON_OUTSIDE_HOURS,
               "It is within the hours and days of the channel (%.40s time).",
               question->policy->timezone);
    return false;
}

static void decide(struct judgement *judgement, enum verdict verdict, enum reason reason)
{
    judgement->verdict = verdict;
    judgement->reason = reason;
}

void policy_judge(const struct question *question, const struct facts *facts,
                  struct judgement *judgement_out, struct trace *trace)
{
    struct inquiry inquiry = {.question = question, .facts = facts, .trace = trace};
    struct grant_finding finding;
    *judgement_out = (struct judgement){.verdict = VERDICT_BLOCK, .reason = REASON_NO_CONSENT};
    if (trace != NULL)
        trace->count = 0;
    if (suspended(&inquiry)) {
        decide(judgement_out, VERDICT_BLOCK, REASON_SUSPENDED);
        return;
    }
    if (foreign_sender(&inquiry)) {
        decide(judgement_out, VERDICT_BLOCK, REASON_SENDER_NOT_ALLOWED);
        return;
    }
    if (service_stream(&inquiry)) {
        decide(judgement_out, VERDICT_PASS, REASON_SERVICE);
        return;
    }
    if (banned_sector(&inquiry)) {
        decide(judgement_out, VERDICT_BLOCK, REASON_SECTOR_BAN);
        return;
    }
    find_grant(&inquiry, &finding);
    if (finding.event != NULL) {
        judgement_out->event = finding.event->id;
        if (finding.event->form != NULL) {
            judgement_out->form_id = finding.event->form->id;
            judgement_out->form_version = finding.event->form->version;
        }
    }
    if (!finding.passes) {
        decide(judgement_out, VERDICT_BLOCK, finding.reason);
    } else if (outside_hours(&inquiry)) {
        decide(judgement_out, VERDICT_DEFER, REASON_OUTSIDE_HOURS);
    } else {
        decide(judgement_out, VERDICT_PASS, finding.reason);
        rule_holds(trace, "20", finding.reason, "It may pass: %s", reason_text(finding.reason));
    }
}
