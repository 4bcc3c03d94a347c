/* SPDX-License-Identifier: Apache-2.0 */
/* All that is held on a person, handed out to her (article 15 and 20 GDPR): the archive that
 * `octroi person --export` writes, as a download. It is for who knows her address, for that is in
 * it. */
#include "console/layout.h"
#include "console/pages.h"
#include "console/person.h"
#include "console/send.h"

#include "base/clock.h"
#include "office/folder.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME_MOST 128

void person_pack_part(struct person_view *view)
{
    struct visit *visit = view->visit;
    const char *path = person_link_below(visit, view->link, "pack");
    if (!view->link->known && person_is_unknown(view->person))
        return;
    part_begin_at(visit, "pack", N_("Hand out what is held"));
    part_text(visit,
              N_("When the person asks what is held (article 15), hand out this file: a page to be "
                 "read or printed, in the language you see now, with the forms, the wording, every "
                 "decision and every look, and the same for programs (article 20). The person's "
                 "address is in it: send it to nobody else. Taking it is on record."));
    act_begin(visit, path != NULL ? path : "");
    visit->page.html.failed = visit->page.html.failed || path == NULL;
    if (!view->link->known)
        text_field(visit, "address", N_("E-mail address or telephone number"),
                   N_("It is checked to be this person's. It stands in no link and no log."), "",
                   ADDRESS_MAX, true);
    act_end(visit, N_("Download the file"), "");
    part_end(visit);
}

/* "person-j-example.org-2026-11-29.zip": her mask with one dash for all that no file name has. */
static void file_name(const struct visit *visit, const struct recipient *recipient,
                      char out[NAME_MOST])
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
    char day[CLOCK_TEXT];
    char mask[80];
    size_t n = 0;
    for (const char *at = recipient->masked; *at != '\0' && n + 1 < sizeof(mask); at++)
        if (strchr(plain, *at) != NULL)
            mask[n++] = *at;
        else if (n > 0 && mask[n - 1] != '-')
            mask[n++] = '-';
    mask[n] = '\0';
    clock_format(visit->now, day);
    snprintf(out, NAME_MOST, "person-%s-%.10s.zip", mask, day);
}

static bool note(struct visit *visit, const struct person *person)
{
    const struct access access = {
        .key = person->recipient->key,
        .masked = person->recipient->masked,
        .answer = person_is_unknown(person) ? "nothing held" : "told",
        .count = person->n_decisions,
    };
    return visit_note(visit, "person.export", &access);
}

static enum result write_pack(struct visit *visit, const struct person *person, struct error *err)
{
    char name[NAME_MOST];
    int fd = folder_nameless(visit->config->state_dir, err);
    if (fd < 0)
        return RESULT_SYSTEM;
    enum result result = person_write_archive(person, fd, err);
    if (result == RESULT_OK && !note(visit, person))
        result = error_no_memory(err);
    if (result != RESULT_OK) {
        close(fd);
        return result;
    }
    file_name(visit, person->recipient, name);
    return visit_send_file(visit, fd, "application/zip", name, err);
}

static enum result pack(struct visit *visit, const struct person_link *link, struct error *err)
{
    struct person person = {0};
    const struct person_sources from = {visit->config, visit->registry, visit->index};
    enum result result =
        person_read(&from, &link->address, &link->recipient, visit->now, &person, err);
    if (result != RESULT_OK)
        return result;
    person.language = visit->language;
    result = write_pack(visit, &person, err);
    person_free(&person);
    return result;
}

/* What was typed, if it is hers; *why_out a constant, or NULL. */
static enum result take_address(struct visit *visit, struct person_link *link, const char **why_out,
                                struct error *err)
{
    struct recipient recipient;
    struct error why;
    enum result result = RESULT_OK;
    *why_out = NULL;
    if (link->known)
        return RESULT_OK;
    if (address_parse(visit_field(visit, "address"), visit->config->region, &link->address, &why) !=
        RESULT_OK) {
        *why_out = N_("Type the person's whole e-mail address or telephone number.");
        return RESULT_OK;
    }
    result = recipient_make(visit->hmac, &link->address, &recipient, err);
    if (result != RESULT_OK)
        return result;
    if (memcmp(recipient.key, link->recipient.key, sizeof(recipient.key)) != 0)
        *why_out = N_("This is not the address of this person. Nothing was handed out.");
    link->recipient = recipient;
    return RESULT_OK;
}

enum result pack_act(struct visit *visit, struct error *err)
{
    struct person_link link;
    const char *why = NULL;
    enum result result = person_link_open(visit, visit->tails[0], &link, err);
    if (result == RESULT_NOT_FOUND)
        return visit_nothing(visit, N_("This link to a person has ended, or was never whole. Look "
                                       "the person up again."));
    if (result == RESULT_OK)
        result = take_address(visit, &link, &why, err);
    if (result == RESULT_OK)
        result = why != NULL ? person_refuse(visit, &link, N_("Nothing was handed out"), why)
                             : pack(visit, &link, err);
    person_link_wipe(&link);
    return result;
}
