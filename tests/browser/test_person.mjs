// SPDX-License-Identifier: Apache-2.0
// Finding a person, what she says recorded, and what is held handed out.

import fs from "node:fs";

import { check, same } from "./browser.mjs";

const pathOf = (page) => new URL(page.url()).pathname;
const main = async (page) => (await page.locator("main").innerText()).replace(/\s+/gu, " ");
const shows = async (page, text) => check((await main(page)).includes(text), `${page.url()} does not show "${text}"`);

// Typed as people type it; no address in the URL; unreadable ones are told so.
async function lookUp(world, lang, title, wrong) {
    const page = await world.open("compliance", "/console/persons", { lang });
    const response = await world.submit(page, "main form", { address: "jean@" });
    same(response.status(), 422, "an address that is none");
    await shows(page, wrong);
    await world.checkAxe(page);
    const address = world.data.people.withdrew ?? Object.values(world.data.people)[0];
    await world.submit(page, "main form", { address: `  ${address.toUpperCase()} ` });
    same((await page.locator("h1").innerText()).toLowerCase(), address.toLowerCase(), "the heading");
    check(!decodeURIComponent(page.url()).toLowerCase().includes(address.split("@")[0].toLowerCase()), "the URL has the address");
    await shows(page, title);
    await world.checkAxe(page);
    await page.finish();
}

export async function findPerson(world) {
    await lookUp(world, "en", "Who may write to this person now", "cannot be read as an e-mail address");
}

export async function findPersonInFrench(world) {
    await lookUp(world, "fr", "Qui peut écrire à cette personne", "ne peut être lu comme une adresse");
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
    const address = world.data.people.consented ?? Object.values(world.data.people)[0];
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

// From a decision only her key is known: the file wants the address, and is then a zip.
export async function handOut(world) {
    const address = Object.values(world.data.people)[0];
    const page = await world.open("compliance", "/console/persons");
    await world.submit(page, "main form", { address });
    const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.locator("form[action$='/pack'] button").click(),
    ]);
    check(/^person-[\w.-]+-\d{4}-\d\d-\d\d\.zip$/u.test(download.suggestedFilename()), download.suggestedFilename());
    same(fs.readFileSync(await download.path()).subarray(0, 2).toString(), "PK", "the file");
    await page.finish();
    const other = await world.open("compliance", `/console/persons/${world.data.person}`);
    const response = await world.submit(other, "form[action$='/pack']", { address: "somebody.else@example.org" });
    same(response.status(), 422, "another's address");
    await shows(other, "Nothing was handed out");
    await other.finish();
}

// Readers look nobody up.
export async function readersLookNobodyUp(world) {
    const page = await world.open("reader", `/console/persons/${world.data.person}`, { allow: [403] });
    same(page.status, 403, "a reader on a person's page");
    check(pathOf(page).startsWith("/console/persons/"), page.url());
    same(await page.locator("nav a[href='/console/persons']").count(), 0, "the way there");
    await page.finish();
}
