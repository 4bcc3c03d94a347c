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
//   picture  for the documents (make screenshots): {en: "desk"}, {fr: "phone"}

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
        act: "nav a[href='/console/blocked']",
        picture: { en: "desk", fr: "phone" },
        has: { en: ["Overview"], fr: ["Vue d’ensemble"] },
    },
    {
        name: "persons",
        role: "compliance",
        path: "/console/persons",
        act: "main form button",
        has: { en: ["A person"], fr: ["Une personne"] },
    },
    {
        name: "person",
        role: "compliance",
        path: (data) => `/console/persons/${data.person}`,
        act: "main form button, main summary",
        picture: { en: "desk" },
        has: { en: [], fr: [] },
    },
    {
        name: "observe",
        role: "reader",
        path: "/console/observe",
        act: "main a",
        has: { en: ["Maison Vaubrun"], fr: ["Maison Vaubrun"] },
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
];
