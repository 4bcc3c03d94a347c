// SPDX-License-Identifier: Apache-2.0
// The dossier: drawn up, downloaded, and the journal checked, in both languages.

import fs from "node:fs";

import { check, same, until } from "./browser.mjs";

const words = {
    en: { ready: "A dossier is ready.", holds: "Entries that hold", drawing: "The dossier is being drawn up." },
    fr: { ready: "Un dossier est prêt.", holds: "Inscriptions intègres", drawing: "Le dossier est en cours d’établissement." },
};

// The page looks again by itself; we do not wait for that.
async function reloadUntil(page, text) {
    await until(text, async () => {
        await page.goto(page.url().split("#")[0]);
        return (await page.locator("main").innerText()).includes(text);
    });
}

// With the journal's files, as an officer hands it over.
export async function drawUpTheDossier(world) {
    for (const lang of ["en", "fr"]) {
        const page = await world.open("compliance", "/console/dossier", { lang });
        const form = "form[action='/console/dossier/archive']";
        await world.submit(page, form, { journal: true });
        check((await page.locator("main").innerText()).includes(words[lang].drawing), "it is not said that it is under way");
        await reloadUntil(page, words[lang].ready);
        await world.checkAxe(page);
        const [download] = await Promise.all([
            page.waitForEvent("download"),
            page.locator("a[href='/console/dossier/archive']").click(),
        ]);
        check(/^dossier-\d{4}-\d\d-01-\d{4}-\d\d-\d\d\.zip$/.test(download.suggestedFilename()), download.suggestedFilename());
        const bytes = fs.readFileSync(await download.path());
        same(bytes.subarray(0, 4).toString("latin1"), "PK\u0003\u0004", "what a zip begins with");
        check(bytes.includes("journal/00000001.seg"), "the journal is not in it");
        await page.finish();
    }
}

// By keyboard, without scripts.
export async function checkTheJournal(world) {
    for (const lang of ["en", "fr"]) {
        const page = await world.open("reader", "/console/dossier", { lang, js: false });
        await page.focus("form[action='/console/dossier/verification'] button");
        await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
        await reloadUntil(page, words[lang].holds);
        check((await page.locator("#proof").innerText()).includes("lecture"), "who asked is not said");
        await page.finish();
    }
}

// What others need is one click away.
export async function takeWhatChecksTheJournal(world) {
    const page = await world.open("reader", "/console/dossier");
    for (const [path, name] of [["public.pem", "public.pem"], ["verify-journal.sh", "verify-journal.sh"]]) {
        const [download] = await Promise.all([
            page.waitForEvent("download"),
            page.locator(`a[href='/console/dossier/${path}']`).click(),
        ]);
        same(download.suggestedFilename(), name, "the file's name");
    }
    await page.finish();
}
