/* SPDX-License-Identifier: Apache-2.0 */
/* A collection form's version, as read from its JSON file; immutable once in the registry. */
#ifndef OCTROI_STORE_FORM_H
#define OCTROI_STORE_FORM_H

#include "base/error.h"
#include "policy/model.h"

#include <stdint.h>

/* What the collector keeps to show how the form looked, such as a screenshot, by its hash. */
struct form_artefact {
    const char *name;
    const char *sha256; /* 64 hexadecimal digits */
};

struct form {
    const char *id; /* [a-z0-9][a-z0-9._-]{0,63} */
    int version;    /* 1 … 1,000,000 */
    const char *collector_name;
    const char *collector_siren; /* nine digits, or "" */
    unsigned channels;           /* CHANNEL_BIT set, not empty */
    unsigned purposes;           /* PURPOSE_BIT set, not empty */
    const char *language;        /* BCP 47, such as "fr" */
    const char *display;         /* how the list is shown: "inline" or "link" */
    const char *url;             /* "" when none */
    const char *wording;
    int64_t effective_from;
    const char **partners;
    size_t n_partners;
    const char **categories;
    size_t n_categories;
    struct form_artefact *artefacts;
    size_t n_artefacts;
    const char *json; /* the file as given: what `form show` gives back */
};

/* Every key checked; an unknown or repeated one is an error. Error text: "line:column: message"
 * for syntax, "key: message" for meaning. */
enum result form_parse(const char *json, size_t length, struct form **form_out, struct error *err);
void form_free(struct form **form);

/* [a-z0-9][a-z0-9._-]{0,63} */
bool form_id_valid(const char *text);
/* [A-Za-z0-9][A-Za-z0-9._-]{0,63} with at least one letter, so that a telephone number in the
 * wrong column is never taken for a partner. */
bool form_partner_valid(const char *text);

#endif
