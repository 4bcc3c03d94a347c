/* SPDX-License-Identifier: Apache-2.0 */
/* Who is who in the made-up past: forms, suppliers, partners and what befell them. */
#include "examples/history.h"

#include <string.h>

#define DAYS(n) ((int64_t)(n)*CLOCK_DAY)

const struct cast_form cast_forms[] = {
    {"grand-jeu", 1, 1200, 6, "Leads & Jeux SARL", "821200016", "link",
     "https://grand-jeu.example/partenaires",
     "J'accepte de recevoir par e-mail et par SMS les offres des partenaires de Leads & Jeux "
     "dont la liste est accessible ici.",
     "armor-voyages|boutique-lilas|mutuelle-du-lac", ""},
    {"grand-jeu", 2, 430, 14, "Leads & Jeux SARL", "821200016", "link",
     "https://grand-jeu.example/partenaires",
     "J'accepte de recevoir par e-mail et par SMS les offres commerciales des partenaires de "
     "Leads & Jeux, nommés dans la liste accessible ici. Je peux retirer mon accord à tout moment.",
     "armor-voyages|boutique-lilas|mutuelle-du-lac|credit-horizon", ""},
    {"grand-jeu", 3, 120, 16, "Leads & Jeux SARL", "821200016", "inline",
     "https://grand-jeu.example/partenaires",
     "J'accepte de recevoir par e-mail et par SMS les offres commerciales d'Armor Voyages, de La "
     "Boutique Lilas, de la Mutuelle du Lac, de Crédit Horizon, de Maison Vaubrun et de Jardins de "
     "Loire. Je peux retirer mon accord à tout moment, auprès de chacun ou de tous.",
     "armor-voyages|boutique-lilas|mutuelle-du-lac|credit-horizon|maison-vaubrun|jardins-de-loire",
     ""},
    {"comparateur", 1, 900, 6, "Comparatout SAS", "821200032", "link",
     "https://comparatout.example/qui",
     "Oui, je souhaite être recontacté par les assureurs et organismes de crédit partenaires.",
     "mutuelle-du-lac|credit-horizon", "insurance|finance"},
    {"comparateur", 2, 300, 10, "Comparatout SAS", "821200032", "link",
     "https://comparatout.example/qui",
     "Oui, je souhaite recevoir par e-mail et par SMS les propositions de la Mutuelle du Lac, de "
     "Crédit Horizon et d'Optique Bellevue.",
     "mutuelle-du-lac|credit-horizon|optique-bellevue", "insurance|finance"},
    {"comparateur", 3, 75, 8, "Comparatout SAS", "821200032", "inline",
     "https://comparatout.example/qui",
     "Oui, je souhaite recevoir par e-mail et par SMS les propositions de la Mutuelle du Lac, de "
     "Crédit Horizon, d'Optique Bellevue et de Maison Vaubrun.",
     "mutuelle-du-lac|credit-horizon|optique-bellevue|maison-vaubrun", ""},
    {"comparateur", 4, 14, 2, "Comparatout SAS", "821200032", "link",
     "https://comparatout.example/qui",
     "Oui, je souhaite recevoir les propositions d'Optique Bellevue et d'autres assureurs.",
     "optique-bellevue", "insurance"},
    {"concours-cuisine", 1, 520, 7, "Saveurs et Concours SAS", "821200057", "inline",
     "https://concours.example/reglement",
     "En participant, je recevrai les offres de La Boutique Lilas, de Maison Vaubrun et d'Optique "
     "Bellevue.",
     "boutique-lilas|maison-vaubrun|optique-bellevue", ""},
    {"concours-cuisine", 2, 150, 9, "Saveurs et Concours SAS", "821200057", "inline",
     "https://concours.example/reglement",
     "☐ J'accepte de recevoir les offres d'Armor Voyages, de La Boutique Lilas, de Maison Vaubrun "
     "et d'Optique Bellevue. La participation n'en dépend pas.",
     "armor-voyages|boutique-lilas|maison-vaubrun|optique-bellevue", ""},
    {"club-jardin", 1, 1000, 5, "Jardins de Loire", "820100111", "inline",
     "https://jardins-de-loire.example/club",
     "J'adhère au club et j'accepte de recevoir les conseils et offres de Jardins de Loire.",
     "jardins-de-loire", "garden"},
    {"club-jardin", 2, 200, 7, "Jardins de Loire", "820100111", "inline",
     "https://jardins-de-loire.example/club",
     "J'adhère au club et j'accepte de recevoir par e-mail ou par SMS les conseils et offres de "
     "Jardins de Loire et, de sa part, d'Armor Voyages.",
     "jardins-de-loire|armor-voyages", "garden"},
    {"orientation", 1, 400, 3, "Cap Métiers SARL", "821200073", "inline",
     "https://cap-metiers.example/inscription",
     "J'accepte d'être informé des formations de Formation Tremplin.", "formation-tremplin", ""},
};
const size_t cast_n_forms = sizeof(cast_forms) / sizeof(cast_forms[0]);

const struct cast_supplier cast_suppliers[] = {
    {"", 22, 0.998, false},         {"data-ouest", 34, 0.995, false},
    {"regie-sud", 24, 0.97, false}, {"leads-express", 12, 0.42, false},
    {"base-plus", 8, 0, true},
};
const size_t cast_n_suppliers = sizeof(cast_suppliers) / sizeof(cast_suppliers[0]);

const struct cast_partner cast_partners[] = {
    {"armor-voyages", 27, 0.004, 0.86, 0.001, 0.0005, 0.011},
    {"boutique-lilas", 22, 0.02, 0.30, 0.004, 0.002, 0.024},
    {"mutuelle-du-lac", 14, 0.01, 0.60, 0.001, 0.001, 0.014},
    {"maison-vaubrun", 12, 0.05, 0.10, 0.002, 0.002, 0.02},
    {"credit-horizon", 10, 0.06, 0.15, 0.012, 0.006, 0.031},
    {"jardins-de-loire", 8, 0.004, 0.70, 0.001, 0, 0.009},
    {"optique-bellevue", 6, 0.01, 0.55, 0.002, 0, 0.012},
    {"formation-tremplin", 1, 0.05, 0, 0, 0, 0},
};
const size_t cast_n_partners = sizeof(cast_partners) / sizeof(cast_partners[0]);

const struct cast_act cast_acts[] = {
    {38, CAST_SUSPEND, SUSPEND_STREAM, "boutique-lilas/textos", 0,
     "SMS sans mention STOP, en attente de correction"},
    {35.2, CAST_RESUME, SUSPEND_STREAM, "boutique-lilas/textos", 0, "Modèles corrigés et vérifiés"},
    {29.6, CAST_SUSPEND, SUSPEND_SUPPLIER, "leads-express", 0,
     "Preuves manquantes, audit du fournisseur en cours"},
    {24.3, CAST_RESUME, SUSPEND_SUPPLIER, "leads-express", 0, "Premières preuves reçues"},
    {20.4, CAST_INVALIDATE, SUSPEND_FORM, "concours-cuisine", 1,
     "Participation subordonnée à l'accord : consentement non libre"},
    {6.6, CAST_SUSPEND, SUSPEND_PARTNER, "credit-horizon", 0,
     "Plaintes répétées, dossier 2026-118"},
};
const size_t cast_n_acts = sizeof(cast_acts) / sizeof(cast_acts[0]);

static const char *const refusals[] = {
    "550 5.1.1 User unknown",
    "550 5.1.1 Mailbox does not exist",
    "552 5.2.2 Mailbox full",
    "550 5.7.1 Message content rejected",
    "554 5.7.1 Service refused, see https://postmaster.example/aide",
    "451 4.7.1 Greylisted, try again later",
    "550 5.7.1 <img src=x onerror=\"alert('reply')\"> rejected by <script>alert(1)</script>",
};

const char *cast_refusal(struct chance *chance, bool hostile)
{
    size_t n = sizeof(refusals) / sizeof(refusals[0]);
    return refusals[chance_below(chance, hostile ? n : n - 1)];
}

bool cast_lists(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; *at != '\0';) {
        size_t item = strcspn(at, "|");
        if (item == length && memcmp(at, word, length) == 0)
            return true;
        at += item + (at[item] == '|');
    }
    return false;
}

static void add_list(struct strbuf *json, const char *key, const char *list)
{
    strbuf_add_format(json, ",\"%s\":[", key);
    for (const char *at = list; *at != '\0';) {
        size_t item = strcspn(at, "|");
        strbuf_add_str(json, at == list ? "\"" : ",\"");
        strbuf_add_json(json, at, item);
        strbuf_add_char(json, '"');
        at += item + (at[item] == '|');
    }
    strbuf_add_char(json, ']');
}

static void write_form(struct strbuf *json, const struct cast_form *form, int64_t end, bool hostile)
{
    char from[CLOCK_TEXT];
    /* At an hour when people put forms on line. */
    clock_format_seconds((end - DAYS(form->days)) / CLOCK_DAY * CLOCK_DAY + 8 * 3600 * CLOCK_SECOND,
                         from);
    strbuf_add_char(json, '{');
    strbuf_add_json_field(json, "id", form->id);
    strbuf_add_json_number(json, "version", form->version);
    strbuf_add_str(json, ",\"collector\":{");
    strbuf_add_json_field(json, "name", form->collector);
    strbuf_add_json_field(json, "siren", form->siren);
    strbuf_add_str(json, "},\"channels\":[\"email\",\"sms\"]");
    strbuf_add_json_field(json, "language", "fr");
    strbuf_add_json_field(json, "display", form->display);
    strbuf_add_json_field(json, "url", form->url);
    strbuf_add_str(json, ",\"wording\":\"");
    strbuf_add_json(json, form->wording, strlen(form->wording));
    if (hostile)
        strbuf_add_str(json, " <script>alert('form')</script><b onclick=alert(2)>&amp;");
    strbuf_add_char(json, '"');
    strbuf_add_json_field(json, "effective_from", from);
    add_list(json, "partners", form->partners);
    add_list(json, "partner_categories", form->categories);
    add_list(json, "purposes", "receipt|transmission");
    strbuf_add_str(json, ",\"artefacts\":[]}");
}

enum result cast_add_form(struct registry *registry, const struct cast_form *cast, int64_t end,
                          bool hostile, struct error *err)
{
    struct strbuf json = {0};
    struct form *form = NULL;
    bool added;
    write_form(&json, cast, end, hostile);
    enum result result =
        json.failed ? error_no_memory(err) : form_parse(json.data, json.length, &form, err);
    if (result == RESULT_OK)
        result = registry_add_form(registry, form, &added, err);
    if (form != NULL)
        form_free(&form);
    strbuf_free(&json);
    return result;
}
