// SPDX-License-Identifier: Apache-2.0
// What a compliance officer comes for: to stop a partner, to find a person and write down what she says, to take
// a form out of use, to hand out what is held.

import fs from "node:fs";

import { check, same } from "./browser.mjs";

const pathOf = (page) => new URL(page.url()).pathname;
const fold = (page, action) => page.locator("main details", { has: page.locator(`form[action$="${action}"]`) }).last();

async function unfold(page, action) {
    const found = fold(page, action);
    await found.locator("> summary").click();
    const form = found.locator(`form[action$="${action}"]`);
    await form.waitFor({ state: "visible" });
    return form;
}

// Suspended with a reason, told so, loaded anew without harm, and resumed.
export async function suspendAndResume(world) {
    const page = await world.open("compliance", "/console/partners/jardins-de-loire", { lang: "fr" });
    let form = page.locator("form[action='/console/suspensions']").first();
    check(!(await form.isVisible()), "the stop lies open: somebody would press it by mistake");
    await page.locator("details", { has: form }).first().locator("summary").click();
    await world.checkAxe(page);
    let response = await world.submit(page, form, { reason: "Plainte d'essai <b>2026</b>" });
    same(response.status(), 200, "after the suspension");
    same(pathOf(page), "/console/partners/jardins-de-loire", "where one is sent");
    check((await page.locator("main").innerText()).includes("Plainte d'essai <b>2026</b>"), "the reason is not shown as it was typed");
    response = await page.reload();
    same(response.request().method(), "GET", "loading anew sends the form again");
    form = page.locator("form[action='/console/resumptions']").first();
    await page.locator("details", { has: form }).first().locator("summary").click();
    response = await world.submit(page, form, { reason: "Essai fini" });
    same(response.status(), 200, "after resuming");
    same(await page.locator("form[action='/console/resumptions']").count(), 0, "ways to resume what goes on");
    await page.finish();
}

// Found by her address, which stands in no URL; what she says is on record at once.
export async function findAPersonAndRecord(world) {
    const address = world.data.people.agreed;
    const page = await world.open("compliance", "/console/persons", { lang: "fr" });
    await world.submit(page, "main form", { address });
    check(pathOf(page).startsWith("/console/persons/"), `sent to ${pathOf(page)}`);
    const name = address.split("@")[0];
    check(!decodeURIComponent(page.url()).includes(name), "the address stands in the URL");
    await world.checkAxe(page);
    const form = await unfold(page, "/objections");
    const fields = { evidence: "Appel du 3 mars, demande orale" };
    await world.submit(page, form, fields);
    check((await page.locator("main").textContent()).includes("Appel du 3 mars"), "the objection is not among her acts");
    await page.finish();
}

// A zip for the person, whose name tells nobody who she is.
export async function handOutWhatIsHeld(world) {
    const address = world.data.people.agreed_without_proof;
    const page = await world.open("compliance", "/console/persons");
    await world.submit(page, "main form", { address });
    const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.locator("form[action$='/pack'] button").click(),
    ]);
    const name = download.suggestedFilename();
    check(name.endsWith(".zip") && !name.includes(address.split("@")[0]), `the file is named ${name}`);
    const start = fs.readFileSync(await download.path()).subarray(0, 2).toString();
    same(start, "PK", "how the file begins");
    await page.finish();
}

// What is typed wrongly is told, and nobody else's page is shown.
export async function askForNobody(world) {
    const page = await world.open("compliance", "/console/persons", { lang: "en" });
    await page.locator("main form").first().evaluate((form) => form.setAttribute("novalidate", ""));
    const response = await world.submit(page, "main form", { address: "no address at all" });
    check(response.status() >= 400, `answered ${response.status()}`);
    check((await page.locator("main .bad, main [role=alert], main .notice").count()) > 0, "nothing says what is wrong");
    await world.checkAxe(page);
    await page.finish();
}

// A version goes for good only when its name is typed.
export async function invalidateAForm(world) {
    const { id, version } = world.data.form;
    const path = `/console/forms/${id}/${version}`;
    const page = await world.open("compliance", path, { lang: "fr" });
    let form = await unfold(page, "/invalidation");
    let response = await world.submit(page, form, { reason: "Essai", confirm: "another@1" });
    check(response.status() >= 400 || (await page.locator("form[action$='/invalidation']").count()) > 0,
        "it was invalidated without its name");
    await page.goto(world.base + path);
    form = await unfold(page, "/invalidation");
    response = await world.submit(page, form, { reason: "Essai", confirm: `${id}@${version}` });
    same(response.status(), 200, "after the invalidation");
    same(pathOf(page), path, "where one is sent");
    same(await page.locator("form[action$='/invalidation']").count(), 0, "ways to invalidate what is invalid");
    await page.finish();
}

// Who only reads is offered no act, and no person.
export async function whoOnlyReads(world) {
    const page = await world.open("reader", "/console/partners/armor-voyages");
    same(await page.locator("form[action='/console/suspensions']").count(), 0, "stops for who only reads");
    same(await page.locator("nav a[href='/console/persons']").count(), 0, "ways to people for who only reads");
    await page.finish();
}
