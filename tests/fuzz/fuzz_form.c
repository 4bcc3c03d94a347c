/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Form files: what is accepted is complete, holds nothing the registry's joined lists could not
 * hold, is kept byte for byte, and is read the same again.
 */
#include "store/form.h"
#include "tests/fuzz/fuzz.h"

static void check_list(const char **list, size_t count, bool (*valid)(const char *))
{
    for (size_t i = 0; i < count; i++) {
        must(valid(list[i]));
        for (size_t j = 0; j < i; j++)
            must(strcmp(list[i], list[j]) != 0);
    }
}

static bool category_valid(const char *text)
{
    return fuzz_one_line(text) && strchr(text, '|') == NULL && strlen(text) <= 64;
}

static void check_form(const struct form *form, const uint8_t *data, size_t size)
{
    must(form_id_valid(form->id));
    must(form->version >= 1 && form->version <= 1000000);
    must(form->channels != 0 && form->channels >> CHANNEL_COUNT == 0);
    must(form->purposes != 0 && form->purposes >> PURPOSE_COUNT == 0);
    must(*form->collector_name != '\0' && *form->wording != '\0' && *form->language != '\0');
    must(*form->collector_siren == '\0' || strlen(form->collector_siren) == 9);
    must(strcmp(form->display, "inline") == 0 || strcmp(form->display, "link") == 0);
    check_list(form->partners, form->n_partners, form_partner_valid);
    check_list(form->categories, form->n_categories, category_valid);
    must(strlen(form->json) == size && memcmp(form->json, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct form *form = NULL;
    struct form *again = NULL;
    enum result result = form_parse((const char *)data, size, &form, &err);
    if (result != RESULT_OK) {
        must(result == RESULT_BAD_INPUT && form == NULL && fuzz_one_line(err.text));
        return 0;
    }
    check_form(form, data, size);
    must(form_parse(form->json, size, &again, &err) == RESULT_OK);
    must(strcmp(form->id, again->id) == 0 && form->version == again->version);
    must(form->effective_from == again->effective_from);
    must(form->n_partners == again->n_partners && form->n_categories == again->n_categories);
    form_free(&again);
    form_free(&form);
    return 0;
}
