/* SPDX-License-Identifier: Apache-2.0 */
/* Looking a person up by what she is written to at, and her page. */
#include "console/person.h"
#include "console/layout.h"
#include "console/pages.h"

#include "policy/judge.h"

#include <string.h>

/* ---- looking up ---- */

/* What people paste around an address, "mailto:" or the angle brackets of a mail program, is not
 * part of it. */
static const char *bare_address(const struct visit *visit, const char *text)
{
    const char *open = strrchr(text, '<');
    size_t length = strlen(text);
    if (open != NULL && text[length - 1] == '>')
        text = arena_copy(visit->arena, open + 1, (size_t)(text + length - open - 2));
    if (text == NULL)
        return "";
    if (strncmp(text, "mailto:", strlen("mailto:")) == 0)
        return text + strlen("mailto:");
    return strncmp(text, "tel:", strlen("tel:")) == 0 ? text + strlen("tel:") : text;
}

static const char *complaint(const char *text)
{
    if (text[0] == '\0')
        return N_("Nothing was typed in.");
    if (strchr(text, '@') != NULL)
        return N_("This cannot be read as an e-mail address. It should look like "
                  "name@example.org.");
    return N_("This cannot be read as an e-mail address or a telephone number. Write a number as "
              "it is dialled (06 12 34 56 78), or with its country (+33 6 12 34 56 78).");
}

static enum result ask_page(struct visit *visit, const char *typed, const char *wrong)
{
    const struct layout layout = {
        .place = PLACE_PERSONS,
        .title = N_("Look a person up"),
        .lead = N_("Who may write to this person, why, what she agreed to and when, and what was "
                   "blocked."),
    };
    layout_begin(visit, &layout);
    if (wrong != NULL)
        part_notice(visit, "bad", wrong, NULL);
    part_begin(visit, N_("Whom do you look for?"));
    act_begin(visit, "/console/persons");
    text_field(visit, "address", N_("E-mail address or telephone number"),
               N_("As it is written: name@example.org, 06 12 34 56 78, +33 6 12 34 56 78."), typed,
               ADDRESS_MAX, true);
    act_end(visit, N_("Look up"), "");
    part_end(visit);
    part_begin(visit, N_("What you should know"));
    page_raw(&visit->page, "<ul>\n");
    page_element_tr(&visit->page, "li",
                    N_("The gateway keeps no address: it knows people by a code computed from it. "
                       "That is why you have to type the whole address, and cannot search for a "
                       "name."));
    page_element_tr(&visit->page, "li",
                    N_("Each look is put on record with your name. The person can ask to see it."));
    page_element_tr(&visit->page, "li",
                    N_("An e-mail address and a telephone number are two records, also when they "
                       "are one person's: look both up."));
    page_raw(&visit->page, "</ul>\n");
    part_end(visit);
    layout_end(visit);
    return RESULT_OK;
}

enum result persons_page(struct visit *visit, struct error *err)
{
    (void)err;
    return ask_page(visit, "", NULL);
}

/* Who came by a key and types the address wants that very person. */
static bool is_another(const struct visit *visit, const struct person_link *link)
{
    uint8_t key[RECIPIENT_KEY_BYTES];
    const char *of = visit_field(visit, "of");
    return hex_decode(of, strlen(of), key, sizeof(key)) &&
           memcmp(key, link->recipient.key, sizeof(key)) != 0;
}

enum result persons_act(struct visit *visit, struct error *err)
{
    struct person_link link;
    struct address address;
    const char *typed = visit_field(visit, "address");
    if (address_parse(bare_address(visit, typed), visit->config->region, &address, err) !=
        RESULT_OK) {
        visit->status = 422;
        return ask_page(visit, typed, complaint(typed));
    }
    enum result result = person_link_make(visit, &address, &link, err);
    wipe(&address, sizeof(address));
    if (result == RESULT_OK && is_another(visit, &link)) {
        visit->status = 422;
        result = ask_page(visit, typed,
                          N_("This is not the address of the person you came from. Look her up by "
                             "it all the same if you meant somebody else."));
    } else if (result == RESULT_OK) {
        result = visit_go(visit, link.path, err);
    }
    person_link_wipe(&link);
    return result;
}

/* ---- her page ---- */

static void type_address(struct visit *visit, const struct person_link *link)
{
    char hex[2 * RECIPIENT_KEY_BYTES + 1];
    hex_encode(link->recipient.key, RECIPIENT_KEY_BYTES, hex);
    act_fold_begin(visit, N_("Type the address"));
    act_begin(visit, "/console/persons");
    hidden_field(visit, "of", hex);
    text_field(visit, "address", N_("E-mail address or telephone number"),
               N_("It is checked to be this person's. It stands in no link and no log."), "",
               ADDRESS_MAX, true);
    act_end(visit, N_("Check and show"), "");
    act_fold_end(visit);
}

/* What a "no message passes" leaves out. */
static void exceptions(struct visit *visit)
{
    part_text(visit, N_("Service messages, such as a receipt, need no consent and are not meant."));
    for (size_t i = 0; i < visit->config->n_partners; i++)
        if (visit->config->partners[i].mode == MODE_OBSERVE) {
            part_notice(visit, "warn",
                        N_("Partners that are only being observed are let through all the same, "
                           "except after a withdrawal, an objection or a suspension."),
                        NULL);
            return;
        }
}

static void unknown_part(struct visit *visit, const struct person_link *link)
{
    part_begin(visit, N_("Nothing is held on this person"));
    part_text(visit, N_("No consent, no objection and no message to this address is on record. As "
                        "long as that is so, no partner may send offers to it."));
    exceptions(visit);
    part_text(visit,
              link->known
                  ? N_("If you expected something: check the spelling, and look up the "
                       "person's other addresses and numbers. If the person says no, record it "
                       "below: it will stand against whatever comes later.")
                  : N_("Type the address to look it up."));
    part_end(visit);
}

/* How much there is, and the way to each. */
static void tiles(struct visit *visit, const struct person *person)
{
    uint64_t passed = 0, looks = 0;
    for (size_t i = 0; i < person->n_sums; i++)
        passed += person_sum_passed(&person->sums[i]) ? person->sums[i].count : 0;
    for (size_t i = 0; i < person->n_accesses; i++)
        looks += person->accesses[i].count;
    tiles_begin(visit);
    tile_number(visit, N_("What the person said or did"), (int64_t)person->history.n_events, 0,
                "#events");
    tile_number(visit, N_("Messages and lists decided"), (int64_t)person->n_decisions, 0,
                "#decisions");
    tile_number(visit, N_("Of them let through"), (int64_t)passed, person->n_decisions,
                "#decisions");
    tile_number(visit, N_("Looks and acts on record"), (int64_t)looks, 0, "#accesses");
    tiles_end(visit);
}

static enum result parts(struct person_view *view)
{
    struct visit *visit = view->visit;
    bool unknown = person_is_unknown(view->person);
    bool asked = visit_field(visit, "partner")[0] != '\0'; /* then that is what is looked for */
    enum result result = person_overcome_part(view);
    if (result == RESULT_OK && asked)
        result = person_why_part(view);
    if (unknown) {
        unknown_part(visit, view->link);
    } else {
        tiles(visit, view->person);
        person_summary_part(view);
    }
    if (result == RESULT_OK && !asked)
        result = person_why_part(view);
    if (result == RESULT_OK)
        person_acts_part(view);
    if (result == RESULT_OK)
        person_pack_part(view);
    if (result != RESULT_OK || unknown)
        return result;
    person_events_part(view);
    result = person_decisions_part(view);
    if (result == RESULT_OK)
        result = person_notices_part(view);
    return result == RESULT_OK ? person_accesses_part(view) : result;
}

static enum result write_page(struct person_view *view)
{
    struct visit *visit = view->visit;
    const struct person_link *link = view->link;
    const char *masked = link->recipient.masked;
    const struct layout layout = {
        .place = PLACE_PERSONS,
        .title = masked[0] == '\0' && !link->known ? N_("A person without an address") : NULL,
        .name = link->known         ? link->address.text
                : masked[0] != '\0' ? masked
                                    : NULL,
        .kept_name = link->known ? masked : NULL,
        .up = "/console/persons",
        .up_name = N_("Look a person up"),
    };
    layout_begin(visit, &layout);
    if (link->known) {
        part_sentence(visit, "p class=\"lead\"",
                      N_("You typed this address. Everywhere else it is shown as %s."), masked,
                      NULL, NULL);
    } else {
        part_sentence(visit, "p class=\"lead\"",
                      N_("The gateway does not keep the address. You can see and do everything "
                         "here by its mask; type the address to have it told to partners, or to "
                         "hand out what is held."),
                      NULL, NULL, NULL);
        type_address(visit, link);
    }
    enum result result = parts(view);
    layout_end(visit);
    return result;
}

static enum result note(struct person_view *view)
{
    const struct person *person = view->person;
    const struct access access = {
        .key = person->recipient->key,
        .masked = person->recipient->masked,
        .answer = person_is_unknown(person) ? "nothing held" : "told",
    };
    return visit_note(view->visit, "person.read", &access) ? RESULT_OK : error_no_memory(view->err);
}

static enum result show(struct visit *visit, struct person_link *link, struct error *err)
{
    struct person person = {0};
    const struct person_sources from = {visit->config, visit->registry, visit->index};
    struct person_view view = {.visit = visit, .link = link, .person = &person, .err = err};
    enum result result =
        link->known ? RESULT_OK : person_find_mask(visit->index, &link->recipient, err);
    if (result == RESULT_OK)
        result = person_read(&from, link->known ? &link->address : NULL, &link->recipient,
                             visit->now, &person, err);
    if (result != RESULT_OK)
        return result;
    person.language = visit->language;
    result = note(&view);
    if (result == RESULT_OK)
        result = write_page(&view);
    person_free(&person);
    return result;
}

enum result person_page(struct visit *visit, struct error *err)
{
    struct person_link link;
    enum result result = person_link_open(visit, visit->tails[0], &link, err);
    if (result == RESULT_NOT_FOUND)
        return visit_nothing(visit, N_("This link to a person has ended, or was never whole. Look "
                                       "the person up again."));
    if (result == RESULT_OK)
        result = link.elsewhere ? visit_go(visit, link.path, err) : show(visit, &link, err);
    person_link_wipe(&link);
    return result;
}

const char *person_view_partner(const struct person_view *view, const char *id)
{
    const struct partner *partner = config_partner(view->visit->config, id);
    return partner != NULL ? partner->name : id;
}

enum result person_refuse(struct visit *visit, const struct person_link *link, const char *title,
                          const char *why)
{
    const struct layout layout = {
        .place = PLACE_PERSONS,
        .title = title,
        .up = link->path,
        .up_name = N_("Back to the person"),
    };
    visit->status = 422;
    layout_begin(visit, &layout);
    part_notice(visit, "bad", why, NULL);
    part_text(visit, N_("Nothing was changed. Go back and fill the form in again."));
    layout_end(visit);
    return RESULT_OK;
}
