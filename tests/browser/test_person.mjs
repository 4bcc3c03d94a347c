// SPDX-License-Identifier: Apache-2.0
// Finding a person, what she says recorded, and what is held handed out.

import { check, same } from "./browser.mjs";

const pathOf = (page) => new URL(page.url()).pathname;
const main = async (page) => (await page.locator("main").innerText()).replace(/\s+/gu, " ");
const shows = async (page, text) => check((await main(page)).includes(text), `${page.url()} does not show "${text}"`);

// Typed as people type it; what cannot be read is told, in words.
export async function findAPersonInFrench(world) {
    const page = await world.open("compliance", "/console/persons", { lang: "fr" });
    const response = await world.submit(page, "main form", { address: "jean@" });
    same(response.status(), 422, "an address that is none");
    await shows(page, "ne peut être lu comme une adresse");
    const address = world.data.people.agreed;
    await world.submit(page, "main form", { address: `  ${address.toUpperCase()} ` });
    same((await page.locator("h1").innerText()).toLowerCase(), address.toLowerCase(), "the heading");
    await shows(page, "Qui peut écrire à cette personne");
    await page.finish();
}

// Of somebody nothing is known: that is said, and a "no" can be recorded all the same, without scripts.
export async function objectForAPerson(world) {
    const address = `nobody-${Date.now()}@example.org`;
    const page = await world.open("compliance", "/console/persons", { js: false });
    await world.submit(page, "main form", { address });
    await shows(page, "Nothing is held on this person");
    await page.locator("summary", { hasText: "Record an objection" }).click();
    await world.submit(page, "form[action$='/objections']", { evidence: "letter of 3 March, ref. 7" });
    await shows(page, "The objection is recorded.");
    await shows(page, "Objection");
    await page.locator(".timeline summary").first().click();
    await shows(page, "letter of 3 March, ref. 7");
    await shows(page, "user claire");
    await page.finish();
}

export async function withdrawForAPersonInFrench(world) {
    const address = world.data.people.agreed_without_proof;
    const page = await world.open("compliance", "/console/persons", { lang: "fr" });
    await world.submit(page, "main form", { address });
    await page.locator("summary", { hasText: "Enregistrer un retrait" }).click();
    await world.submit(page, "form[action$='/withdrawals']", { evidence: "appel du 12", partner: world.data.partner });
    await shows(page, "Le retrait est enregistré.");
    await world.checkAxe(page);
    await page.reload(); // repeats nothing
    await page.locator(".timeline summary").first().click();
    await shows(page, "appel du 12");
    await page.finish();
}

// From a decision only her key is known: the file wants the address, and no other.
export async function handOutToNobodyElse(world) {
    const page = await world.open("compliance", `/console/persons/${world.data.person}`);
    const response = await world.submit(page, "form[action$='/pack']", { address: "somebody.else@example.org" });
    same(response.status(), 422, "another's address");
    await shows(page, "Nothing was handed out");
    await world.press(page, page.locator(".up a"));
    same(pathOf(page), `/console/persons/${world.data.person}`, "the way back");
    await page.finish();
}

// Readers look nobody up.
export async function readersLookNobodyUp(world) {
    const page = await world.open("reader", `/console/persons/${world.data.person}`, { allow: [403] });
    same(page.status, 403, "a reader on a person's page");
    check(pathOf(page).startsWith("/console/persons/"), page.url());
    same(await page.locator("nav a[href='/console/persons']").count(), 0, "the way there");
    await page.finish();
}
