// SPDX-License-Identifier: Apache-2.0
// The console's pages, one entry each: run.mjs looks at every one in both languages, on a desk in light and on
// a phone in dark colours, with and without scripts.
//
//   name   of the page; its pictures are NAME-LANGUAGE-SCHEME.png
//   role   who looks at it; null: nobody signed in
//   path   its address, or a function of the world's data (test_browser.py) that gives it
//   act    selector of what one comes for: reached by keyboard
//   has    {en: [...], fr: [...]}: texts that must be there, also without scripts
//   same   words that are alike in both languages, beside those of run.mjs (regular expressions)
//   allow  statuses beside 200
//   picture  for the documents (make screenshots): {en: "desk"}, {fr: "phone"}; height: of the one on a desk

export const pages = [
    {
        name: "login",
        role: null,
        path: "/console/login",
        act: "main form button",
        has: { en: ["Password"], fr: ["Mot de passe"] },
    },
    {
        name: "overview",
        role: "compliance",
        path: "/console",
        act: "main a[href^='/console/blocked?verdict=stopped']",
        picture: { en: "desk", fr: "phone" },
        height: 1210,
        has: {
            en: ["Overview", "Crédit Horizon", "Messages judged", "By partner and channel", "Is the gate well?"],
            fr: ["Vue d’ensemble", "Crédit Horizon", "Messages jugés", "Par partenaire et par canal"],
        },
    },
    {
        name: "overview_figures",
        role: "administrator",
        path: "/console?days=400",
        act: "main details summary",
        has: {
            en: ["The numbers by month", "Figures for administrators"],
            fr: ["Les nombres par mois", "Chiffres pour l’administration"],
        },
    },
    {
        name: "overview_empty",
        role: "reader",
        path: "/console?from=2020-01-01&to=2020-01-31",
        has: { en: ["No message was judged in this period"], fr: ["Aucun message n’a été jugé"] },
    },
    {
        name: "observe",
        role: "compliance",
        path: "/console/observe",
        act: "main a[href^='/console/blocked?verdict=observed']",
        has: {
            en: ["Observed partners", "Would have been blocked", "The day it is enforced", 'mode = "enforce"'],
            fr: ["Partenaires observés", "Auraient été bloqués", 'mode = "enforce"'],
        },
    },
    {
        name: "observe_other",
        role: "reader",
        path: (data) => `/console/observe?partner=${data.partner}`,
        has: {
            en: ["It was not observed in this period"],
            fr: ["Ce partenaire n’était pas observé"],
        },
    },
    ...["PARTNER_ADDED_LATER", "SUSPENDED"].map((reason) => ({
        name: `blocked_${reason.toLowerCase()}`,
        role: "compliance",
        path: (data) => `/console/blocked/${data.blocked[reason]}`,
        act: "main a",
        has: { en: [reason], fr: [reason] },
    })),
    {
        name: "persons",
        role: "compliance",
        path: "/console/persons",
        act: "main form button",
        has: { en: ["Look a person up"], fr: ["Rechercher une personne"] },
    },
    {
        name: "person",
        role: "compliance",
        path: (data) => `/console/persons/${data.person}`,
        act: "main form button, main summary",
        picture: { en: "desk" },
        has: { en: ["Who may write to this person now"], fr: ["Qui peut écrire à cette personne"] },
    },
    {
        name: "dossier",
        role: "compliance",
        path: "/console/dossier",
        picture: { en: "desk" },
        act: "main form[action='/console/dossier/archive'] button",
        has: {
            en: ["What was submitted, and what was blocked", "Whether the journal holds", "Draw up the dossier"],
            fr: ["Ce qui a été présenté", "Intégrité du journal", "Établir le dossier"],
        },
        same: [/^(public\.pem|verify-journal\.sh)$/],
    },
    {
        name: "dossier_compared",
        role: "reader",
        path: () => {
            const day = (back) => new Date(Date.now() - back * 86400e3).toISOString().slice(0, 10);
            return `/console/dossier?from=${day(30)}&to=${day(0)}&change=${day(15)}`;
        },
        has: { en: ["From that day on", "let through to the provider"], fr: ["À partir de ce jour", "transmis au prestataire"] },
    },
    {
        name: "dossier_empty",
        role: "reader",
        path: "/console/dossier?from=2001-01-01&to=2001-01-31",
        has: { en: ["No message was submitted"], fr: ["Aucun message n’a été présenté"] },
    },
    {
        name: "nothing",
        role: "reader",
        path: "/console/nobody/knows",
        allow: [404],
        act: "main a",
    },
    {
        name: "not_for_the_role",
        role: "reader",
        path: "/console/persons",
        allow: [403],
        act: "main a",
    },
    {
        name: "users",
        role: "administrator",
        path: "/console/users",
        act: "main form button",
        has: { en: ["Users", "lecture"], fr: ["Utilisateurs", "lecture"] },
    },
    {
        name: "blocked",
        role: "compliance",
        picture: { en: "desk" },
        path: "/console/blocked",
        act: "main a[href^='/console/blocked/']",
        has: {
            en: ["Blocked messages", "PARTNER_ADDED_LATER", "decisions"],
            fr: ["Messages bloqués", "PARTNER_ADDED_LATER", "décisions"],
        },
    },
    {
        name: "blocked_narrowed",
        role: "reader",
        path: (data) => `/console/blocked?verdict=observed&partner=${data.observed}`,
        act: "main form select[name=reason]",
        has: { en: ["let through, observed"], fr: ["transmis, observé"] },
    },
    {
        name: "blocked_nothing",
        role: "reader",
        path: "/console/blocked?partner=armor-voyages&from=2020-01-01&to=2020-01-31",
        act: "main .empty a",
        has: { en: ["in this period"], fr: ["sur cette période"] },
    },
    {
        name: "blocked_withdrawn",
        role: "compliance",
        picture: { fr: "desk" },
        path: (data) => `/console/blocked/${data.blocked.WITHDRAWN}`,
        act: "main a[href^='/console/persons/']",
        has: {
            en: ["may not write to this person", "The person withdrew the consent on", "Proof"],
            fr: ["La personne a retiré", "Preuve"],
        },
    },
    {
        name: "blocked_unproven",
        role: "reader",
        path: (data) => `/console/blocked/${data.blocked.UNPROVEN}`,
        act: "main summary",
        has: { en: ["This is what came nearest", "UNPROVEN"], fr: ["Voici ce qui s’approchait", "UNPROVEN"] },
    },
    {
        name: "blocked_passed",
        role: "compliance",
        path: (data) => `/console/blocked/${data.passed}`,
        act: "main summary",
        has: { en: ["A message that passed"], fr: ["Un message transmis"] },
    },
    {
        name: "blocked_unknown",
        role: "reader",
        path: "/console/blocked/01KB3ZQ5M8-NOSUCH",
        allow: [404],
        act: "main a",
        has: { en: ["No decision has this reference"], fr: ["Aucune décision ne porte cette référence"] },
    },
    {
        name: "partners",
        role: "compliance",
        path: "/console/partners",
        act: "main a[href='/console/partners/armor-voyages']",
        has: { en: ["Partners", "Crédit Horizon"], fr: ["Partenaires", "Crédit Horizon"] },
    },
    {
        name: "partner",
        role: "compliance",
        picture: { en: "desk" },
        path: (data) => `/console/partners/${data.partner}`,
        act: "main form button, main summary",
        has: { en: ["Armor Voyages SAS"], fr: ["Armor Voyages SAS"] },
    },
    {
        name: "partner_suspended",
        role: "compliance",
        path: (data) => `/console/partners/${data.suspended}`,
        act: "main form button, main summary",
        has: { en: ["Crédit Horizon", "dossier 2026-118"], fr: ["Crédit Horizon", "dossier 2026-118"] },
    },
    {
        name: "suppliers",
        role: "reader",
        path: "/console/suppliers",
        act: "main a[href='/console/suppliers/data-ouest']",
        has: { en: ["Suppliers", "data-ouest"], fr: ["Fournisseurs", "data-ouest"] },
    },
    {
        name: "supplier",
        role: "compliance",
        path: (data) => `/console/suppliers/${data.supplier}`,
        act: "main summary",
        has: { en: ["data-ouest", "Suspend at once"], fr: ["data-ouest", "Consentements apportés"] },
    },
    {
        name: "forms",
        role: "reader",
        path: "/console/forms",
        act: "main a[href^='/console/forms/grand-jeu']",
        has: { en: ["Forms", "grand-jeu"], fr: ["Formulaires", "grand-jeu"] },
    },
    {
        name: "form_version",
        role: "compliance",
        path: (data) => `/console/forms/${data.form.id}/${data.form.version}`,
        act: "main form button, main summary",
        has: { en: ["Leads & Jeux SARL", "<script>alert('form')</script>"], fr: ["Leads & Jeux SARL"] },
    },
    {
        name: "person_why",
        role: "compliance",
        path: (data) => `/console/persons/${data.person}?partner=${data.partner}&channel=email`,
        act: "main summary",
        has: { en: ["What it rests on", "not met"], fr: ["Ce sur quoi cela repose", "non respectée"] },
    },
];
