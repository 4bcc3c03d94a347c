// SPDX-License-Identifier: Apache-2.0
// From a blocked message to why, from a person or a reference to what happened to her messages.

import { check, same } from "./browser.mjs";

const urlOf = (page) => new URL(page.url());

// An officer narrows the list by hand, opens a message, and comes back.
export async function narrowAndOpen(world) {
    const page = await world.open("compliance", "/console/blocked", { lang: "en" });
    await page.selectOption("select[name=reason]", "WITHDRAWN");
    await world.press(page, page.locator(".filter button"));
    same(urlOf(page).searchParams.get("reason"), "WITHDRAWN", "the reason in the address");
    const codes = await page.locator("td.why code").allInnerTexts();
    check(codes.length > 0 && codes.every((code) => code === "WITHDRAWN"), `narrowed to ${codes}`);
    await world.press(page, page.locator("td.when a").first());
    check((await page.locator("p.answer").first().innerText()).includes("withdrew"), "the answer does not say why");
    await page.goBack();
    same(urlOf(page).searchParams.get("reason"), "WITHDRAWN", "back on the list");
    await page.finish();
}

// What was typed stands nowhere but in the body of the request.
export async function onePersonsMessages(world) {
    const address = world.data.people.withdrew;
    for (const lang of ["en", "fr"]) {
        const page = await world.open("compliance", "/console/blocked?verdict=all", { lang });
        const asked = [];
        page.on("request", (request) => asked.push(request.url()));
        await page.locator("main > details > summary").click();
        await world.submit(page, "main form[method=post]", { person: address });
        check(/^[0-9a-f]{64}$/.test(urlOf(page).searchParams.get("person")), `led to ${page.url()}`);
        same(urlOf(page).searchParams.get("verdict"), "all", "what the list was narrowed to before");
        const local = address.split("@")[0];
        check(!asked.some((url) => decodeURIComponent(url).includes(local)), "the address is in an address");
        check(!(await page.content()).includes(local), "the address is in the page");
        check((await page.locator("td.when a").count()) > 0, "nothing of hers is listed");
        await world.checkAxe(page);
        await page.finish();
    }
}

// What is no address is told, and the list stays.
export async function noAddress(world) {
    const page = await world.open("compliance", "/console/blocked", { lang: "en" });
    await page.locator("main > details > summary").click();
    await world.submit(page, "main form[method=post]", { person: "nobody in particular" });
    check((await page.locator(".notice.bad").innerText()).includes("neither"), "it is not said what was wrong");
    check((await page.locator("td.when a").count()) > 0, "the list is gone");
    await page.finish();
}

// A reference as a partner reads it in an answer.
export async function openReference(world) {
    const id = world.data.blocked.WITHDRAWN;
    const page = await world.open("reader", "/console/blocked", { js: false });
    await page.locator("main > details > summary").click();
    await world.submit(page, "main form[method=get]:has(input[name=ref])", { ref: `ref ${id.toLowerCase()}` });
    same(urlOf(page).pathname, `/console/blocked/${id}`, "where the reference led");
    await page.finish();
}

// A reader learns what happened, and no way to the person.
export async function readerSeesNoPerson(world) {
    const page = await world.open("reader", "/console/blocked?verdict=all");
    same(await page.locator("a[href^='/console/persons']").count(), 0, "ways to persons");
    same(await page.locator("input[name=person]").count(), 0, "fields for an address");
    await page.goto(`${world.base}/console/blocked/${world.data.blocked.WITHDRAWN}`);
    same(await page.locator("a[href^='/console/persons']").count(), 0, "ways to the person");
    const refused = await page.goto(`${world.base}/console/blocked?person=${"0".repeat(64)}`);
    same(refused.status(), 403, "one person's list");
    await page.finish();
}

// Fifty at a time, none twice, all of them.
export async function fiftyAtATime(world) {
    const page = await world.open("reader", "/console/blocked", { lang: "en" });
    const total = Number((await page.locator("main section p strong").first().innerText()).replace(/\D/g, ""));
    const seen = new Set();
    for (let pages = 0; ; pages++) {
        const links = await page.locator("td.when a").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
        check(links.length > 0 && links.length <= 50, `${links.length} rows on a page`);
        links.forEach((link) => {
            check(!seen.has(link), `${link} is shown twice`);
            seen.add(link);
        });
        const further = page.locator(".pager a", { hasText: "Further back" });
        if ((await further.count()) === 0 || pages === 60) break;
        await world.press(page, further);
    }
    same(seen.size, total, "decisions shown in all");
    await page.finish();
}
