// SPDX-License-Identifier: Apache-2.0
// Looks at the console in a browser. A world comes as JSON on standard input ({base, users, data, screens}:
// tests/integration/test_browser.py makes one); the arguments name the tests, all when there is none.
// --list prints the names, each behind its file's ("acts suspend_and_resume"); --pictures takes those of the documents (entries with "picture") instead.
//
// A test is an entry of pages.mjs ("page_NAME"), or an export of a test_*.mjs beside it: an async function of
// the World, whose name in camel case becomes the test's ("suspendAndResume": "suspend_and_resume"). Those of one
// file share a gateway, in the order of their names: none may be in another's way.
// A line a test, "ok NAME" or "not ok NAME" with why; exit code 0 only if none failed and some ran.

import fs from "node:fs";
import process from "node:process";

import { World, check, same } from "./browser.mjs";
import { pages } from "./pages.mjs";

// Names and what is spelt alike in English and French.
const ALIKE = [/^octroi$/i, /^SMS$/, /^(e-?mail|SIREN|CSV|JSON|ZIP)$/i, /^(Partner|Page)s?$/, /^[\d\s.,:%–-]+$/,
    /^Dossiers?\b/, /· octroi$/, /^Messages?$/, /^Actions?$/, /^Dates?$/, /^Total$/, /^Observations?$/, /^Code$/, /^Verdict$/,
    /^Version$/, /^Type$/];
// A sentence is English when it has words that French has not.
const ENGLISH = /\b(the|of|and|not|is|are|was|were|has|have|with|from|this|that|these|what|when|which|who|all|none|there|here|by|to|it|its|you|your|no|yet|see|show|back|last|days?|since|until|search|sign|log)\b/i;

const variants = [
    { width: 1280, height: 900, scheme: "light" },
    { width: 360, height: 780, scheme: "dark" },
];

function addressOf(entry, world) {
    return typeof entry.path === "function" ? entry.path(world.data) : entry.path;
}

async function lookAt(world, entry, lang, variant) {
    const page = await world.open(entry.role, addressOf(entry, world), { lang, allow: entry.allow, ...variant });
    same(await page.getAttribute("html", "lang"), lang, "the document's language");
    same(await page.locator("h1").count(), 1, "headings of the first level");
    check((await page.title()).length > 0, "the page has no title");
    await checkWords(page, entry, lang);
    await world.checkWidth(page);
    await world.picture(page, `${entry.name}-${lang}-${variant.scheme}`);
    // Axe takes its time: once for each language, each size and each scheme.
    if ((lang === "fr") === (variant.scheme === "dark")) await world.checkAxe(page);
    if (entry.act !== undefined && lang === "en" && variant.scheme === "light")
        await world.checkReached(page, entry.act);
    const texts = await world.texts(page);
    await page.finish();
    return texts;
}

async function checkWords(page, entry, lang) {
    const text = await page.locator("body").innerText();
    for (const wanted of entry.has?.[lang] ?? [])
        check(text.toLowerCase().includes(wanted.toLowerCase()), `${page.url()} in ${lang} does not say "${wanted}":\n${text}`);
}

function checkTranslated(entry, english, french) {
    const alike = [...ALIKE, ...(entry.same ?? [])];
    const known = new Set(english);
    const left = french.filter((text) => known.has(text) && !alike.some((word) => word.test(text)));
    // What both pages say is other people's words, or was forgotten.
    const forgotten = [...new Set(left)].filter((text) => ENGLISH.test(text));
    check(forgotten.length === 0, `not in French: ${forgotten.join(" | ")}`);
}

async function withoutScripts(world, entry) {
    const page = await world.open(entry.role, addressOf(entry, world), { lang: "fr", js: false, allow: entry.allow });
    await checkWords(page, entry, "fr");
    same(await page.locator("h1").count(), 1, "headings without scripts");
    await page.finish();
}

function testOf(entry) {
    return async (world) => {
        const texts = {};
        for (const lang of ["en", "fr"])
            for (const variant of variants) texts[lang] = await lookAt(world, entry, lang, variant);
        checkTranslated(entry, texts.en, texts.fr);
        await withoutScripts(world, entry);
    };
}

// For the documents: what one sees first on a desk, and of some pages on a phone.
async function takePictures(world) {
    for (const entry of pages.filter(({ picture }) => picture !== undefined))
        for (const lang of ["en", "fr"].filter((lang) => entry.picture[lang] !== undefined)) {
            const phone = entry.picture[lang] === "phone";
            const page = await world.open(entry.role, addressOf(entry, world), {
                lang, ...(phone ? variants[1] : { width: 1200, height: entry.height ?? 800, scheme: "light" }) });
            await world.picture(page, `${entry.name}-${lang}${phone ? "-phone" : ""}`, { fullPage: false });
            await page.finish();
            console.log(`ok ${entry.name}`);
        }
}

async function allTests() {
    const tests = new Map();
    for (const entry of pages) {
        check(!tests.has(`page_${entry.name}`), `two pages are named ${entry.name}`);
        tests.set(`page_${entry.name}`, { file: "pages", run: testOf(entry) });
    }
    const folder = new URL("./", import.meta.url);
    for (const file of fs.readdirSync(folder).filter((name) => /^test_.*\.mjs$/.test(name)).sort())
        for (const [name, test] of Object.entries(await import(new URL(file, folder)))) {
            const spelt = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
            check(!tests.has(spelt), `two tests are named ${spelt}`);
            tests.set(spelt, { file: file.replace(/^test_|\.mjs$/g, ""), run: test });
        }
    return tests;
}

const tests = await allTests();
const wanted = process.argv.slice(2);
if (wanted[0] === "--list") {
    for (const [name, { file }] of tests) console.log(`${file} ${name}`);
    process.exit(0);
}
const world = await new World(JSON.parse(fs.readFileSync(0, "utf8"))).start();
if (wanted[0] === "--pictures") {
    await takePictures(world);
    await world.stop();
    process.exit(0);
}
let failed = 0;
const names = wanted.length > 0 ? wanted : [...tests.keys()];
for (const name of names) {
    const since = Date.now();
    try {
        check(tests.has(name), `there is no test ${name}`);
        await tests.get(name).run(world);
        console.log(`ok ${name} ${((Date.now() - since) / 1000).toFixed(1)}`);
    } catch (error) {
        failed++;
        console.log(`not ok ${name} ${((Date.now() - since) / 1000).toFixed(1)}\n${error.stack ?? error}`);
    }
}
await world.stop();
process.exit(failed === 0 && names.length > 0 ? 0 : 1);
